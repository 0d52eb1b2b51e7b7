"""Asking the trained models of a study, and what a run of it has stored."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np


def bakeoff(*words, cwd, **variables):
    environment = {**os.environ, "COLUMNS": "100", **variables}
    return subprocess.run(
        [sys.executable, "-m", "bakeoff", *map(str, words)],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def stored(study: Path, recipe: str, seed: int) -> dict[str, np.ndarray]:
    with np.load(study / f"runs/{recipe}/seed-{seed}/predictions.npz") as arrays:
        return dict(arrays)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def softmax(logits):
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


OWN_MODEL = """
from torch import nn

class Small(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.layers = nn.Sequential(
            nn.AvgPool2d(4), nn.Flatten(), nn.Linear(3 * (image_size // 4) ** 2, 20), nn.{activation}(),
            nn.Linear(20, num_classes),
        )

    def forward(self, images):
        return self.layers(images)
"""
