"""What crop and flip add to a training step of each recipe: with and without, interleaved, one thread.

    python benchmarks/augmentation.py [--steps 40] [--repetitions 7] [--stl10 DIR]

Prints, for each model, milliseconds a step without and with augmentation (median and range over repetitions)
and the ratio of the two within each repetition.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bakeoff.data import load_data
from bakeoff.models import build_model
from bakeoff.study import load_study
from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.training.augmentation.apply import Augmentation
from bakeoff.training.parts.optimizers import build_optimizer
from bakeoff.training.preprocessing import Preprocessing

CROP_AND_FLIP = AugmentationSettings(random_crop_padding=4, horizontal_flip=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--repetitions", type=int, default=7)
    default = os.environ.get("BAKEOFF_STL10", str(Path(__file__).parents[2] / "shared/data/stl10"))
    parser.add_argument("--stl10", default=default, help="a folder with splits/ as docs/development.md says")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    study = load_study("lenet5-stl10", source=f"splits:{arguments.stl10}")
    data = load_data(study.data)
    preprocessing = Preprocessing(data.mean, data.std, data.image_size)
    for name, recipe in study.recipes.items():
        model = build_model(recipe.model, num_classes=data.num_classes, image_size=32, seed=0)
        model = model.to(memory_format=torch.channels_last)
        optimizer = build_optimizer(recipe.optimizer, model)
        kinds = {
            "plain": Augmentation(AugmentationSettings(), preprocessing, 0),
            "augmented": Augmentation(CROP_AND_FLIP, preprocessing, 0),
        }
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        order = np.random.default_rng(0).permutation(len(data.train))
        for repetition in range(arguments.repetitions + 1):
            for kind, augmentation in kinds.items():
                started = time.perf_counter()
                for step in range(arguments.steps):
                    chosen = np.resize(order[step * recipe.batch_size % 4000 :], recipe.batch_size)
                    pixels = augmentation.pixels(data.train.images[chosen])
                    images, _ = augmentation.tensors(preprocessing(pixels))
                    loss = nn.functional.cross_entropy(
                        model(images), torch.from_numpy(data.train.labels[chosen])
                    )
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                if repetition:  # the first is a warm-up
                    times[kind].append(1000 * (time.perf_counter() - started) / arguments.steps)
        ratios = [b / a for a, b in zip(times["plain"], times["augmented"], strict=True)]
        print(
            f"{name}: plain {_spread(times['plain'])} ms, augmented {_spread(times['augmented'])} ms, "
            f"ratio {_spread(ratios, 3)}"
        )


def _spread(values: list[float], decimals: int = 2) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"


if __name__ == "__main__":
    main()
