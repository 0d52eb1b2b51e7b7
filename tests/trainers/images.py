"""Digits as image data, at 8 x 8."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from bakeoff.data.image_data import ImageData, Split

NUM_CLASSES = 3


def _split(start: int, stop: int) -> Split:
    digits = load_digits(n_class=NUM_CLASSES)
    pixels = (digits.images[start:stop] * 15).astype(np.uint8)
    images = np.repeat(pixels[..., None], 3, axis=3)
    labels = digits.target[start:stop].astype(np.int64)
    return Split(images, labels, tuple(map(str, range(start, stop))))


DATA = ImageData(
    train=_split(0, 100),
    val=_split(100, 130),
    test=_split(130, 150),
    class_names=("0", "1", "2"),
    mean=(0.3, 0.3, 0.3),
    std=(0.3, 0.3, 0.3),
    source="digits",
    fingerprint="",
    notes=(),
    directory=Path(),
)
