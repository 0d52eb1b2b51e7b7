"""Real images on any machine: windows of the two photographs that come with scikit-learn.

Written as a `splits:` source in STL-10's layout: `train/` and `test/` with INDEX_LABEL.png (LABEL from 1) of
96 x 96 pixels, `splits/{train,val,test}.txt`, `class_names.txt`. Of the images in `test/`, the first of each
class are val.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

CLASSES_PER_PHOTOGRAPH = 5
CLASS_NAMES = tuple(f"{name}{part}" for name in ("china", "flower") for part in "12345")
"""A class is a part of a photograph, from its left to its right."""
PER_CLASS = {"train": 60, "val": 20, "test": 40}
IMAGE_SIZE = 96

WINDOW_SIDES = (36, 48, 64, 84, 112)
MIN_CONTRAST = 15
"""Standard deviation of the gray levels; below it lie sky and background that is out of focus."""


def write_photographs(directory: Path) -> None:
    """Write the source into a new folder; the same bytes each time."""
    rng = np.random.default_rng(0)
    images: dict[str, list[tuple[Image.Image, int]]] = {split: [] for split in PER_CLASS}
    for label, windows in enumerate(_windows_by_class()):
        chosen = iter(rng.permutation(len(windows))[: sum(PER_CLASS.values())])
        for split, number in PER_CLASS.items():
            images[split] += [(_resized(windows[next(chosen)]), label) for _ in range(number)]
    for folder in ("train", "test", "splits"):
        (directory / folder).mkdir(parents=True)
    num_in_folder = {"train": 0, "test": 0}
    for split, of_split in images.items():
        folder = "train" if split == "train" else "test"
        lines = []
        for place in rng.permutation(len(of_split)):
            image, label = of_split[place]
            path = f"{folder}/{num_in_folder[folder]:04}_{label + 1}.png"
            image.save(directory / path, compress_level=1)
            lines.append(f"{path} {label}\n")
            num_in_folder[folder] += 1
        (directory / "splits" / f"{split}.txt").write_text("".join(lines))
    (directory / "class_names.txt").write_text("\n".join(CLASS_NAMES) + "\n")


def _windows_by_class() -> list[list[NDArray[np.uint8]]]:
    """The windows of each photograph from left to right, in as many equal parts as it has classes."""
    classes = []
    for name in ("china.jpg", "flower.jpg"):
        photograph = load_sample_image(name)
        gray = np.asarray(Image.fromarray(photograph).convert("L"))
        windows = []
        for side in WINDOW_SIDES:  # neighbors share half of their pixels
            places = (range(0, length - side + 1, side // 2) for length in gray.shape)
            for top, left in product(*places):
                window = np.s_[top : top + side, left : left + side]
                if gray[window].std() >= MIN_CONTRAST:
                    windows.append((left + side / 2, photograph[window]))
        windows.sort(key=lambda window: window[0])
        for part in np.array_split(np.arange(len(windows)), CLASSES_PER_PHOTOGRAPH):
            classes.append([windows[index][1] for index in part])
    return classes


def _resized(window: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(window).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
