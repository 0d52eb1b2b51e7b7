"""Findings about classes and single images: missing or unequal classes, images without content."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit.findings import SHOWN, Finding
from bakeoff.audit.links import Images
from bakeoff.data.image_data import SPLIT_NAMES, ImageData
from bakeoff.data.statistics import chunks

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
