"""Findings about classes, single images, and their sizes before they were resized."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit.findings import MAX_LISTED, Finding
from bakeoff.audit.links import Images
from bakeoff.data.image_data import SPLIT_NAMES, ImageData
from bakeoff.data.statistics import chunks
from bakeoff.text import counted

FAR_FROM_SQUARE = 2.0
"""If the median ratio of the long to the short side is larger, most images suffer from a square."""

ODD_SHAPE = 3.0
"""An aspect ratio that differs from the median by more than this factor, up or down, is unusual."""

ODD_SIZE = 4.0
"""A size (the square root of the area) that differs from the median by more than this factor is unusual."""


def find_odd_sizes(images: Images, sizes: NDArray[np.int32]) -> list[Finding]:
    """Find images far more elongated, smaller or larger than the others, and a median far from a square.

    Parameters
    ----------
    images
        For the images' names.
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
                f"{_images_are(len(odd))} far more elongated than the others: "
                f"{_pixels(sizes[odd[0]])} pixels, where {_pixels(np.median(sizes, axis=0))} is the median.",
                "In a square, such images show little: crop or remove them.",
                images=tuple(images.name(image) for image in odd[:MAX_LISTED]),
            )
        )
    if odd := _far_from_the_median(side, ODD_SIZE):
        smallest, largest = sizes[side.argmin()], sizes[side.argmax()]
        findings.append(
            Finding(
                "warning",
                "odd-sizes",
                len(odd),
                f"{_images_are(len(odd))} far smaller or larger than the others: "
                f"{_pixels(smallest)} to {_pixels(largest)} pixels, "
                f"where {_pixels(np.median(sizes, axis=0))} is the median.",
                "Look for thumbnails and icons: they show little when enlarged.",
                images=tuple(images.name(image) for image in odd[:MAX_LISTED]),
            )
        )
    median = np.median(sizes, axis=0)
    fit = images.data.decoding.fit
    if fit != "pad" and np.median(np.maximum(shape, 1 / shape)) > FAR_FROM_SQUARE:
        findings.append(
            Finding(
                "warning",
                "far-from-square",
                len(sizes),
                f"Images are far from square before resizing: the median is {_pixels(median)} pixels.",
                'They are stretched to a square; data.fit = "crop" or "pad" keeps their shapes.'
                if fit == "stretch"
                else 'Only the square in their middle is used; data.fit = "pad" uses all of them.',
            )
        )
    return findings


def _far_from_the_median(values: NDArray[np.float64], factor: float) -> list[int]:
    """Indices of images more than this factor above or below the median, the farthest first."""
    distance = np.abs(np.log(values / np.median(values)))
    order = np.argsort(-distance, kind="stable")
    return [int(image) for image in order if distance[image] > np.log(factor)]


def _images_are(number: int) -> str:
    return f"{counted(number, 'image')} {'is' if number == 1 else 'are'}"


def _pixels(size: NDArray[np.floating] | NDArray[np.integer]) -> str:
    return f"{size[0]:g} x {size[1]:g}"


IMBALANCE = 2.0
"""Ratio of the largest to the smallest class of a split above which there is a note."""

BAD_IMBALANCE = 5.0
"""Ratio of the largest to the smallest class of a split above which there is a warning."""

NEARLY_UNIFORM = 3.0
"""An image whose values have a standard deviation below this, of 255, shows almost nothing."""


DARK = 32
"""Of 255: values below are dark."""

DARK_SHARE = 0.99
"""An image with at least this share of dark values is nearly all dark."""


def find_class_problems(data: ImageData) -> list[Finding]:
    """Find classes that a split lacks, and splits with imbalanced classes."""
    findings = []
    for name in SPLIT_NAMES:
        counts = np.bincount(data.split(name).labels, minlength=data.num_classes)
        missing = [data.class_names[label] for label in np.flatnonzero(counts == 0)]
        if missing:
            names = ", ".join(repr(label) for label in missing[:5]) + (", ..." if len(missing) > 5 else "")
            findings.append(
                Finding(
                    "warning",
                    f"missing-classes-{name}",
                    len(missing),
                    f"{name} has no image of {len(missing)} of {data.num_classes} classes: {names}.",
                    f"Give each class images in {name}, or remove it: missing classes are not measured.",
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
                    f"Classes are imbalanced in {name}: {counts[most]:,} images of "
                    f"{data.class_names[most]!r}, {counts[fewest]:,} of {data.class_names[fewest]!r}.",
                    "Large classes weigh more in an accuracy: look at the accuracy per class.",
                )
            )
    return findings


def uniform_images(data: ImageData) -> NDArray[np.bool_]:
    """bool [num_images], train, val, test: standard deviation below NEARLY_UNIFORM in every channel."""
    num_pixels = data.image_size**2
    variances = [
        num_pixels * _channel_sums(np.square(chunk, dtype=np.uint16)) - _channel_sums(chunk) ** 2
        for name in SPLIT_NAMES
        for chunk in chunks(data.split(name).images)
    ]
    uniform: NDArray[np.bool_] = np.concatenate(variances).max(axis=1) < (NEARLY_UNIFORM * num_pixels) ** 2
    return uniform


def _channel_sums(values: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.int64]:
    """int64 [num_images, num_channels], exact; whole lines are added, which is faster than pixels."""
    sums: NDArray[np.int64] = values.sum(axis=1, dtype=np.uint32).sum(axis=1, dtype=np.int64)
    return sums


def find_uniform_images(images: Images, uniform: NDArray[np.bool_]) -> list[Finding]:
    """Find images that show almost nothing."""
    indices = np.flatnonzero(uniform)
    if not len(indices):
        return []
    return [
        Finding(
            "warning",
            "uniform-images",
            len(indices),
            f"{_images_are(len(indices))} nearly uniform.",
            "Replace or remove what shows nothing.",
            images=tuple(images.name(image) for image in indices[:MAX_LISTED]),
        )
    ]


def find_dark_images(images: Images) -> list[Finding]:
    """Find images that are nearly all dark."""
    shares = [
        (chunk < DARK).reshape(len(chunk), -1).mean(axis=1)
        for name in SPLIT_NAMES
        for chunk in chunks(images.data.split(name).images)
    ]
    indices = np.flatnonzero(np.concatenate(shares) >= DARK_SHARE)
    if not len(indices):
        return []
    return [
        Finding(
            "note",
            "dark-images",
            len(indices),
            f"{_images_are(len(indices))} nearly all dark: at least {100 * DARK_SHARE:.0f} % of their values "
            f"are below {DARK} of 255.",
            "If that is wrong and files store more than 8 bits per channel, set data.bits: it says which "
            "value is white.",
            images=tuple(images.name(image) for image in indices[:MAX_LISTED]),
        )
    ]
