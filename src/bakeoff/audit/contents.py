"""Findings about classes and single images: missing or unequal classes, images without content, odd sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit.findings import SHOWN, Finding
from bakeoff.audit.links import Images
from bakeoff.data.description import IMBALANCE, NEARLY_UNIFORM, OriginalSizes
from bakeoff.data.image_data import SPLIT_NAMES, ImageData
from bakeoff.data.statistics import chunks

BAD_IMBALANCE = 5.0
"""A split whose largest class has more than this many times the images of its smallest is badly unequal."""

EXTREME_SIZE = 4.0
"""Widths or heights more than this many times above or below their median are extreme."""

EXTREME_SHAPE = 2.0
"""Images are squeezed to a square; beyond this ratio of the sides they are distorted badly."""


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


def find_extreme_sizes(sizes: OriginalSizes) -> list[Finding]:
    """Sizes and shapes far from the median, and a median far from a square."""
    findings = []
    ranges = zip(("width", "height"), sizes.min, sizes.median, sizes.max, strict=True)
    for side, least, median, most in ranges:
        if most > EXTREME_SIZE * median or least * EXTREME_SIZE < median:
            findings.append(
                Finding(
                    "warning",
                    f"extreme-{side}s",
                    1,
                    f"Image {side}s before resizing: {least:g} to {most:g} pixels, median {median:g}.",
                    "Look at the smallest and the largest: slivers and icons say little once resized.",
                )
            )
    width, height = sizes.median
    if max(width, height) > EXTREME_SHAPE * min(width, height):
        findings.append(
            Finding(
                "warning",
                "extreme-shapes",
                1,
                f"Images are far from square before resizing: {width:g} x {height:g} pixels at the median.",
                "All are squeezed to a square; crop them first if shapes matter.",
            )
        )
    return findings
