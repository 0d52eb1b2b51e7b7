"""Which properties of an image are unusual for its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.failures.facts import COLORS, FACTS, ImageFact

MIN_REFERENCE = 20
"""With fewer images of a class, no 5 % tail is defined."""


@dataclass(frozen=True)
class UnusualFact:
    """A property in which an image lies outside the middle 90 % of its class.

    Attributes
    ----------
    fact
        The property.
    value
        Of this image.
    high
        True if the image lies at the upper end, false at the lower.
    share_beyond
        The share of the class's reference images that are strictly less extreme: 0.97 with `high` means that
        the value is above that of 97 % of them. 0.95 to 1.
    median
        Of the class's reference images.
    num_reference
        The number of reference images of the class.
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
        By class index, then by the property's name: float [num_class_images], ascending.
    colors
        By class index: int [num_colors], the number of images of each dominant color, in the order of
        `COLORS`.
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
        The number of reference images of the class with this dominant color.
    num_reference
        The number of reference images of the class.
    """

    color: str
    num_alike: int
    num_reference: int


def class_norms(
    facts: Mapping[str, NDArray[np.float32]], colors: NDArray[np.int64], labels: NDArray[np.int64]
) -> ClassNorms:
    """Collect what is normal for each class.

    Parameters
    ----------
    facts
        From `image_facts`, of the reference images: ideally the training images.
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
    """Find the properties in which an image is unusual for its class.

    A property is unusual if at least 1 - `tail` of the class's reference images lie strictly below, or
    strictly above, this image. Of nine properties, about one is unusual by chance in any image: an unusual
    property need not be the cause of an error.

    Parameters
    ----------
    values
        By the property's name, of this image.
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
    unusual = []
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
            unusual.append(UnusualFact(fact, float(value), below > above, share, median, count))
    return tuple(sorted(unusual, key=lambda fact: -fact.share_beyond))


def unusual_color(color: int, label: int, norms: ClassNorms, rare: float = 0.05) -> UnusualColor | None:
    """Check whether the dominant color of an image is rare in its class.

    Parameters
    ----------
    color
        An index into `COLORS`.
    label
        The image's true class.
    norms
        From `class_norms`.
    rare
        A color is rare if at most this share of the class's reference images has it, 0..1.

    Returns
    -------
    UnusualColor or None
        None if the color is not rare, or the class has fewer than `MIN_REFERENCE` reference images.
    """
    counts = norms.colors.get(label)
    if counts is None or counts.sum() < MIN_REFERENCE or counts[color] > rare * counts.sum():
        return None
    return UnusualColor(COLORS[color], int(counts[color]), int(counts.sum()))
