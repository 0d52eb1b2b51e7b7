"""The peers that need no extra train the same on digits, through the command that measures them all."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
HERE = ("notebook", "PyTorch loop", "Bakeoff")


@pytest.fixture
def digit_files(tmp_path: Path) -> Path:
    """300 training, 100 validation and 200 test images as files, with splits/."""
    digits = load_digits()
    (tmp_path / "splits").mkdir()
    for split, numbers in {
        "train": range(300),
        "val": range(300, 400),
        "test": range(400, 600),
    }.items():
        lines = []
        for number in numbers:
            pixels = (digits.images[number] * 255 / 16).astype(np.uint8)
            Image.fromarray(pixels).convert("RGB").save(tmp_path / f"{number}.png")
            lines.append(f"{number}.png {digits.target[number]}\n")
        (tmp_path / "splits" / f"{split}.txt").write_text("".join(lines))
    return tmp_path


@pytest.mark.slow
def test_peers_are_timed_and_learn_the_same(digit_files, tmp_path):
    names = ",".join((*HERE, "Lightning", "Keras on JAX"))
    options = "--parts speed,accuracy --recipes lenet5 --repetitions 1 --accuracy-seeds 2 --accuracy-epochs 8"
    words = [
        "--data",
        digit_files,
        "--results",
        tmp_path / "results.json",
        "--peers",
        names,
        *options.split(),
    ]
    done = subprocess.run(
        [sys.executable, PEERS, *words],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())

    speed, accuracy = results["speed"]["lenet5"], results["accuracy"]["found"]["lenet5"]
    for name in HERE:
        assert all(seconds > 0 for times in speed[name].values() for seconds in times)
        assert np.mean(accuracy[name]) > 0.6, accuracy
        assert re.search(rf"^\| {name} \| [\d.]+ \| [\d.]+ to [\d.]+ \| [\d.]+ \|", done.stdout, re.MULTILINE)
    means = [np.mean(accuracy[name]) for name in HERE]
    assert max(means) - min(means) < 0.15, accuracy
    for name, package in {"Lightning": "lightning", "Keras on JAX": "keras"}.items():
        assert (f"LEFT OUT: {name}" in done.stderr) == (find_spec(package) is None)
        assert (f"LEFT OUT: {name}" in done.stdout) == (find_spec(package) is None)
