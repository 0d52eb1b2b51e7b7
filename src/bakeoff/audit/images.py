"""Findings about classes, single images, and their sizes before they were resized."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit.findings import SHOWN, Finding
from bakeoff.audit.links import Images
from bakeoff.data.image_data import SPLIT_NAMES, ImageData
from bakeoff.data.statistics import chunks

FAR_FROM_SQUARE = 2.0
"""Images are squeezed to a square; a median beyond this ratio of the sides is a bad distortion of most."""

ODD_SHAPE = 3.0
"""An image this many times as wide for its height as the median, or as high for its width, is odd."""

ODD_SIZE = 4.0
"""An image whose side (of a square of its area) is more than this many times the median or less is odd."""


def find_odd_sizes(images: Images, sizes: NDArray[np.int32]) -> list[Finding]:
    """Images far more elongated, smaller or larger than the others, and a median far from a square.

    Parameters
    ----------
    images
        Gives them their names.
    sizes
        int [num_images, 2]: widths and heights before resizing, in the order of `images`.
    """
    width, height = sizes.astype(np.float64).T
    shape, side = width / height, np.sqrt(width * height)
    findings = []
    if odd := _far_from_the_median(shape, ODD_SHAPE):
        findings.append(
            Finding(
                "warning",
                "odd-shapes",
                len(odd),
                f"{_images(odd)} far more elongated than the others: "
                f"{_pixels(sizes[odd[0]])} pixels, where {_pixels(np.median(sizes, axis=0))} is the median.",
                "All are squeezed to a square, and a sliver shows little then: crop or remove them.",
                images=tuple(images.name(image) for image in odd[:SHOWN]),
            )
        )
    if odd := _far_from_the_median(side, ODD_SIZE):
        least, most = sizes[side.argmin()], sizes[side.argmax()]
        findings.append(
            Finding(
                "warning",
                "odd-sizes",
                len(odd),
                f"{_images(odd)} far smaller or larger than the others: {_pixels(least)} to {_pixels(most)} "
                f"pixels, where {_pixels(np.median(sizes, axis=0))} is the median.",
                "Look at them: thumbnails and icons say little once enlarged.",
                images=tuple(images.name(image) for image in odd[:SHOWN]),
            )
        )
    median = np.median(sizes, axis=0)
    if median.max() > FAR_FROM_SQUARE * median.min():
        findings.append(
            Finding(
                "warning",
                "far-from-square",
                len(sizes),
                f"Images are far from square before resizing: {_pixels(median)} pixels at the median.",
                "All are squeezed to a square; crop them first if shapes matter.",
            )
        )
    return findings


def _far_from_the_median(values: NDArray[np.float64], factor: float) -> list[int]:
    """Images more than this factor above or below the median, the farthest first."""
    distance = np.abs(np.log(values / np.median(values)))
    order = np.argsort(-distance, kind="stable")
    return [int(image) for image in order if distance[image] > np.log(factor)]


def _images(found: list[int]) -> str:
    return "1 image is" if len(found) == 1 else f"{len(found):,} images are"


def _pixels(size: NDArray[np.floating] | NDArray[np.integer]) -> str:
    return f"{size[0]:g} x {size[1]:g}"


IMBALANCE = 2.0
"""The largest class of a split may have this many times the images of the smallest without a remark."""

BAD_IMBALANCE = 5.0
"""A split whose largest class has more than this many times the images of its smallest is badly unequal."""

NEARLY_UNIFORM = 3.0
"""An image whose values deviate by less than this, of 255, shows next to nothing."""


def find_class_problems(data: ImageData) -> list[Finding]:
    """Classes that a split lacks, and splits whose classes are unequal."""
    findings = []
    for name in SPLIT_NAMES:
        counts = np.bincount(data.split(name).labels, minlength=data.num_classes)
        missing = [data.class_names[label] for label in np.flatnonzero(counts == 0)]
        if missing:
            shown = ", ".join(repr(label) for label in missing[:5]) + (", ..." if len(missing) > 5 else "")
            findings.append(
                Finding(
                    "warning",
                    f"missing-classes-{name}",
                    len(missing),
                    f"{name} has no image of {len(missing)} of {data.num_classes} classes: {shown}.",
                    f"Add images of them to {name}, or remove the classes: what is missing is not measured.",
                )
            )
        present = np.flatnonzero(counts)
        fewest, most = present[counts[present].argmin()], present[counts[present].argmax()]
        ratio = counts[most] / counts[fewest]
        if ratio > IMBALANCE:
            findings.append(
                Finding(
                    "warning" if ratio > BAD_IMBALANCE else "note",
                    f"unequal-classes-{name}",
                    int(np.count_nonzero(counts[present] * IMBALANCE < counts[most])),
                    f"Classes are unequal in {name}: {counts[most]:,} of {data.class_names[most]!r}, "
                    f"{counts[fewest]:,} of {data.class_names[fewest]!r}.",
                    "Accuracy is then mostly that of the large classes: look at each class's own.",
                )
            )
    return findings


def uniform_images(data: ImageData) -> NDArray[np.bool_]:
    """bool [num_images], train, val, test: no channel deviates by NEARLY_UNIFORM or more, of 255."""
    spreads = [
        chunk.reshape(len(chunk), -1, 3).std(axis=1, dtype=np.float32).max(axis=1)
        for name in SPLIT_NAMES
        for chunk in chunks(data.split(name).images)
    ]
    uniform: NDArray[np.bool_] = np.concatenate(spreads) < NEARLY_UNIFORM
    return uniform


def find_uniform_images(images: Images, uniform: NDArray[np.bool_]) -> list[Finding]:
    """Images that show next to nothing."""
    found = np.flatnonzero(uniform)
    if not len(found):
        return []
    return [
        Finding(
            "warning",
            "uniform-images",
            len(found),
            f"{len(found):,} {'image is' if len(found) == 1 else 'images are'} nearly uniform.",
            "Look at them, and replace or remove those that show nothing.",
            images=tuple(images.name(image) for image in found[:SHOWN]),
        )
    ]
