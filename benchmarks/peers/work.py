"""The work that all peers do: images, recipes, settings.

The study is `lenet5-stl10`: LeNet-5 at 32 x 32, plain, with L2 and with batch norm; images standardised by
the training split's channel means and standard deviations; cross-entropy, Adam (lr 0.001, halved every 20
epochs, L2 as coupled weight decay on all parameters), shuffled batches of 128; loss and accuracy on the
validation split after each epoch; the weights of the epoch with the highest validation accuracy are tested
once, at the end. Weights start as PyTorch's layers do: uniform within 1 / sqrt(fan-in), biases too.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IMAGE_SIZE = 32
NUM_CLASSES = 10
BATCH_SIZE = 128
LEARNING_RATE = 0.001
HALVE_EVERY = 20
"""Epochs."""
EPOCHS = 100
"""Of the whole study."""


@dataclass(frozen=True)
class Recipe:
    name: str
    weight_decay: float = 0.0
    batch_norm: bool = False


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("lenet5"),
        Recipe("lenet5_l2_regularization", weight_decay=0.01),
        Recipe("lenet5_batch_norm", batch_norm=True),
    )
}


@dataclass(frozen=True)
class Work:
    """What one process of a peer does: a recipe, with one seed after another (or all at once, if it can).

    Attributes
    ----------
    folder
        Holds splits/{train,val,test}.txt, a `PATH LABEL` a line, and the image files.
    mean, std
        Of the training images, a channel, in 0..1.
    scratch
        An empty folder for what the peer writes.
    """

    folder: Path
    recipe: Recipe
    seeds: tuple[int, ...]
    epochs: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scratch: Path


EpochDone = Callable[[], None]
"""A peer calls it after each epoch, its validation included; it may not return for a while."""

Train = Callable[[Work, EpochDone], list[float]]
"""Each peer's module has `train(work, epoch_done)`, which gives the test accuracy of each seed."""


@dataclass(frozen=True)
class Split:
    """Images uint8 [num_images, 32, 32, 3] and labels int64 [num_images]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def list_split(folder: Path, split: str) -> list[tuple[Path, int]]:
    lines = (folder / "splits" / f"{split}.txt").read_text("utf-8").splitlines()
    return [(folder / path, int(label)) for path, label in (line.rsplit(" ", 1) for line in lines)]


def decode(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        small = image.convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR)
    return np.asarray(small)


def read_split(folder: Path, split: str) -> Split:
    """Decode all images of a split, in threads."""
    listed = list_split(folder, split)
    with ThreadPoolExecutor() as pool:
        images = np.stack(list(pool.map(decode, (path for path, _ in listed))))
    return Split(images, np.array([label for _, label in listed]))


def read_standardised(work: Work, split: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """float32 [num_images, 32, 32, 3] and labels."""
    found = read_split(work.folder, split)
    mean, std = np.array(work.mean, np.float32), np.array(work.std, np.float32)
    return (found.images.astype(np.float32) / 255 - mean) / std, found.labels


def channel_statistics(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pixels = read_split(folder, "train").images.reshape(-1, 3) / 255
    return tuple(pixels.mean(0).tolist()), tuple(pixels.std(0).tolist())
