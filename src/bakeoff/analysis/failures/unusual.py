"""Which facts of an image are unusual for its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.failures.facts import COLORS, FACTS, ImageFact

MIN_REFERENCE = 20
"""Fewer images of a class have no 5 % to lie outside of."""


@dataclass(frozen=True)
class UnusualFact:
    """A fact in which an image lies outside the middle 90 % of its class.

    Attributes
    ----------
    fact
        What was measured.
    value
        Of this image.
    high
        True where the image lies at the upper end, false at the lower.
    share_beyond
        Share of the class's reference images that lie strictly on the inner side of this image: 0.97 with
        `high` means that the value is above that of 97 % of them. 0.95 to 1.
    median
        Of the class's reference images.
    num_reference
        How many reference images the class has.
    """

    fact: ImageFact
    value: float
    high: bool
    share_beyond: float
    median: float
    num_reference: int


@dataclass(frozen=True)
class ClassNorms:
    """What is normal for each class, from reference images.

    Attributes
    ----------
    values
        By class index, then by the fact's name: float [num_class_images], ascending.
    colors
        By class index: int [num_colors], images of each dominant color, in the order of `COLORS`.
    """

    values: Mapping[int, Mapping[str, NDArray[np.float32]]]
    colors: Mapping[int, NDArray[np.int64]]


@dataclass(frozen=True)
class UnusualColor:
    """A dominant color that is rare in an image's class.

    Attributes
    ----------
    color
        Its name.
    num_alike
        Reference images of the class with this dominant color.
    num_reference
        How many reference images the class has.
    """

    color: str
    num_alike: int
    num_reference: int


def class_norms(
    facts: Mapping[str, NDArray[np.float32]], colors: NDArray[np.int64], labels: NDArray[np.int64]
) -> ClassNorms:
    """Gather what is normal for each class.

    Parameters
    ----------
    facts
        From `image_facts`, of the reference images: best those that the models learned from.
    colors
        int [num_images], from `dominant_colors`, of the same images.
    labels
        int [num_images], their classes.
    """
    values, by_color = {}, {}
    for label in map(int, np.unique(labels)):
        of_class = labels == label
        values[label] = {name: np.sort(fact[of_class]) for name, fact in facts.items()}
        by_color[label] = np.bincount(colors[of_class], minlength=len(COLORS)).astype(np.int64)
    return ClassNorms(values, by_color)


def unusual_facts(
    values: Mapping[str, float], label: int, norms: ClassNorms, tail: float = 0.05
) -> tuple[UnusualFact, ...]:
    """Find the facts in which an image is unusual for its class.

    A fact is unusual where at least 1 - `tail` of the class's reference images lie strictly below, or
    strictly above, this image. Of nine facts about one is so by chance in any image: unusual is not the cause
    of anything.

    Parameters
    ----------
    values
        By the fact's name, of this image.
    label
        Its true class.
    norms
        From `class_norms`.
    tail
        The share of a class that counts as unusual at each end, 0..0.5.

    Returns
    -------
    tuple of UnusualFact
        The most extreme first; empty for a class of fewer than `MIN_REFERENCE` reference images.
    """
    reference = norms.values.get(label, {})
    found = []
    for fact in FACTS:
        sorted_values = reference.get(fact.name)
        if sorted_values is None or fact.name not in values or len(sorted_values) < MIN_REFERENCE:
            continue
        value, count = values[fact.name], len(sorted_values)
        below = int(np.searchsorted(sorted_values, value, side="left")) / count
        above = (count - int(np.searchsorted(sorted_values, value, side="right"))) / count
        share = max(below, above)
        if share >= 1 - tail:
            median = float((sorted_values[(count - 1) // 2] + sorted_values[count // 2]) / 2)
            found.append(UnusualFact(fact, float(value), below > above, share, median, count))
    return tuple(sorted(found, key=lambda unusual: -unusual.share_beyond))


def unusual_color(color: int, label: int, norms: ClassNorms, rare: float = 0.05) -> UnusualColor | None:
    """Tell whether the dominant color of an image is rare in its class.

    Parameters
    ----------
    color
        An index into `COLORS`.
    label
        The image's true class.
    norms
        From `class_norms`.
    rare
        At most this share of the class's reference images has the color, 0..1.

    Returns
    -------
    UnusualColor or None
        None where the color is not rare, or the class has fewer than `MIN_REFERENCE` reference images.
    """
    counts = norms.colors.get(label)
    if counts is None or counts.sum() < MIN_REFERENCE or counts[color] > rare * counts.sum():
        return None
    return UnusualColor(COLORS[color], int(counts[color]), int(counts.sum()))
