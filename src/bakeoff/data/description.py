"""describe(): the numbers behind `bakeoff data info`."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from bakeoff.data.cache import read_meta
from bakeoff.data.image_data import SPLIT_NAMES, ImageData, SplitName
from bakeoff.data.statistics import chunks

IMBALANCE = 2.0
"""The largest class of a split may have this many times the images of the smallest without a remark."""

NEARLY_UNIFORM = 3.0
"""An image whose values deviate by less than this, of 255, shows next to nothing."""


@dataclass(frozen=True)
class OriginalSizes:
    """Widths and heights of the images before resizing, in pixels; each a pair (width, height)."""

    min: tuple[float, float]
    median: tuple[float, float]
    max: tuple[float, float]


@dataclass(frozen=True)
class DataDescription:
    """What a data set holds.

    Attributes
    ----------
    counts
        For each split the number of images of each class, in label order.
    image_size
        Height and width after resizing, in pixels.
    original_sizes
        Before resizing, over all three splits, width and height apart.
    mean, std
        Of the training images a channel, in 0..1.
    notes
        Sentences on how the splits came about.
    problems
        Sentences on what may spoil a comparison: unequal classes, duplicates, images without content.
    """

    source: str
    fingerprint: str
    class_names: tuple[str, ...]
    counts: dict[SplitName, tuple[int, ...]]
    image_size: int
    original_sizes: OriginalSizes
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def describe(data: ImageData) -> DataDescription:
    """Count a data set's images, and look for what may spoil a comparison on it."""
    counts: dict[SplitName, tuple[int, ...]] = {
        name: tuple(np.bincount(data.split(name).labels, minlength=data.num_classes).tolist())
        for name in SPLIT_NAMES
    }
    sizes = read_meta(data.directory)["original_sizes"]
    return DataDescription(
        source=data.source,
        fingerprint=data.fingerprint,
        class_names=data.class_names,
        counts=counts,
        image_size=data.image_size,
        original_sizes=OriginalSizes(*(tuple(sizes[key]) for key in ("min", "median", "max"))),
        mean=data.mean,
        std=data.std,
        notes=data.notes,
        problems=(*_imbalances(data, counts), *_duplicates(data), *_uniform_images(data)),
    )


def _imbalances(data: ImageData, counts: dict[SplitName, tuple[int, ...]]) -> list[str]:
    problems = []
    for name, of_class in counts.items():
        fewest, most = int(np.argmin(of_class)), int(np.argmax(of_class))
        if of_class[most] > IMBALANCE * of_class[fewest]:
            problems.append(
                f"Classes are unequal in {name}: {of_class[most]} images of {data.class_names[most]!r}, "
                f"{of_class[fewest]} of {data.class_names[fewest]!r}."
            )
    return problems


def _duplicates(data: ImageData) -> list[str]:
    """Images that are equal, pixel for pixel, after resizing."""
    places: dict[bytes, list[tuple[SplitName, int]]] = defaultdict(list)
    for name in SPLIT_NAMES:
        for index, image in enumerate(data.split(name).images):
            places[hashlib.blake2b(image.tobytes(), digest_size=16).digest()].append((name, index))
    groups = [group for group in places.values() if len(group) > 1]
    kinds = (
        ("within a split", [group for group in groups if len({name for name, _ in group}) == 1]),
        ("across splits", [group for group in groups if len({name for name, _ in group}) > 1]),
        (
            "with different labels",
            [group for group in groups if len({int(data.split(name).labels[i]) for name, i in group}) > 1],
        ),
    )
    problems = []
    for kind, found in kinds:
        if found:
            example = " = ".join(f"{name} {data.split(name).ids[index]}" for name, index in found[0][:2])
            problems.append(f"{len(found)} group(s) of identical images {kind}, such as {example}.")
    return problems


def _uniform_images(data: ImageData) -> list[str]:
    found: list[str] = []
    for name in SPLIT_NAMES:
        split, start = data.split(name), 0
        for chunk in chunks(split.images):
            spread = chunk.reshape(len(chunk), -1, 3).std(axis=1, dtype=np.float32).max(axis=1)
            found += [
                f"{name} {split.ids[start + index]}" for index in np.flatnonzero(spread < NEARLY_UNIFORM)
            ]
            start += len(chunk)
    return [f"{len(found)} image(s) are nearly uniform, such as {found[0]}."] if found else []
