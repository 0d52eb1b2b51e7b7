"""Exact channel statistics, and the fingerprint of a data set."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import SPLIT_NAMES, Split, SplitName

BYTES_PER_CHUNK = 1 << 24

Channels = tuple[float, ...]


def channel_statistics(images: NDArray[np.uint8]) -> tuple[Channels, Channels]:
    """Mean and population standard deviation of each channel, in 0..1.

    Sums are integers, so the result is exact up to the final rounding to float64 and does not depend on
    the size of the chunks.

    Parameters
    ----------
    images
        uint8 [num_images, height, width, num_channels].
    """
    num_channels = images.shape[3]
    total, total_squares = [0] * num_channels, [0] * num_channels
    for chunk in chunks(images):
        for channel in range(num_channels):
            counts = np.bincount(chunk[..., channel].ravel(), minlength=256).tolist()
            total[channel] += sum(value * count for value, count in enumerate(counts))
            total_squares[channel] += sum(value * value * count for value, count in enumerate(counts))
    num_pixels = images.shape[0] * images.shape[1] * images.shape[2]
    statistics = [
        (s / (255 * num_pixels), math.sqrt(num_pixels * s2 - s * s) / (255 * num_pixels))
        for s, s2 in zip(total, total_squares, strict=True)
    ]
    return tuple(mean for mean, _ in statistics), tuple(std for _, std in statistics)


def fingerprint(splits: Mapping[SplitName, Split], class_names: tuple[str, ...]) -> str:
    """SHA-256, in hexadecimal, of the pixels, labels, ids and class names of all splits."""
    digest = hashlib.sha256(json.dumps(class_names).encode())
    for name in SPLIT_NAMES:
        split = splits[name]
        digest.update(json.dumps([name, split.images.shape, split.ids]).encode())
        digest.update(split.labels.astype("<i8").tobytes())
        for chunk in chunks(split.images):
            digest.update(np.ascontiguousarray(chunk).data)
    return digest.hexdigest()


def chunks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Consecutive parts of an array of images, of about `BYTES_PER_CHUNK` bytes each."""
    step = max(1, BYTES_PER_CHUNK // math.prod(images.shape[1:]))
    for start in range(0, len(images), step):
        yield images[start : start + step]
