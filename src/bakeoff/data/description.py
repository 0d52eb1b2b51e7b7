"""describe(): the numbers behind `bakeoff data info`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.cache_entry import read_original_sizes
from bakeoff.data.decoding.fit import Fit
from bakeoff.data.image_data import SPLIT_NAMES, ImageData, SplitName


@dataclass(frozen=True)
class OriginalSizes:
    """Statistics of the widths and heights before resizing, in pixels, each as (width, height)."""

    min: tuple[float, float]
    median: tuple[float, float]
    max: tuple[float, float]


@dataclass(frozen=True)
class DataDescription:
    """The numbers that describe a data set.

    Attributes
    ----------
    counts
        For each split the number of images of each class, in label order.
    image_size
        Height and width after resizing, in pixels.
    original_sizes
        Statistics before resizing, over all three splits, for width and height separately.
    mean, std
        Per-channel statistics of the training images, in 0..1.
    notes
        Sentences on how the splits were made and the files decoded.
    fit
        What happens to images that are not square, see `DataSettings.fit`.
    """

    source: str
    fingerprint: str
    class_names: tuple[str, ...]
    counts: dict[SplitName, tuple[int, ...]]
    image_size: int
    original_sizes: OriginalSizes
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...]
    fit: Fit


def describe(data: ImageData) -> DataDescription:
    """Count a data set's images per split and class, and summarize their original sizes."""
    sizes = read_original_sizes(data.directory)
    return DataDescription(
        source=data.source,
        fingerprint=data.fingerprint,
        class_names=data.class_names,
        counts={
            name: tuple(np.bincount(data.split(name).labels, minlength=data.num_classes).tolist())
            for name in SPLIT_NAMES
        },
        image_size=data.image_size,
        original_sizes=OriginalSizes(
            min=_pair(sizes.min(axis=0)), median=_pair(np.median(sizes, axis=0)), max=_pair(sizes.max(axis=0))
        ),
        mean=data.mean,
        std=data.std,
        notes=data.notes,
        fit=data.decoding.fit,
    )


def _pair(size: NDArray[np.floating] | NDArray[np.integer]) -> tuple[float, float]:
    width, height = size.tolist()
    return width, height
