"""Error rate by image property: the error rate in each quarter of the images.

Classes differ both in these properties and in difficulty, so that most differences between quarters are those
of the classes in them. A quarter is therefore compared with the other images of the same class, by least
squares on each image's share of seeds wrong: the images are the unit, and the result holds for these runs and
images like these. The lowest and the highest quarter of every property and recipe are tested, as one family,
with the false discovery rate controlled by Benjamini and Hochberg (1995). The difference over all classes
stands beside it, with Welch's interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from bakeoff.analysis.failures.facts import ImageFact, fact_named
from bakeoff.analysis.statistics.multiple_testing import benjamini_hochberg
from bakeoff.predictions import Predictions

MIN_QUARTER = 20
"""Smaller quarters (many images share one value) are not tested: t needs some images."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; `low` and `high` are NaN if there are too few images."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Quarter:
    """One quarter of the images by a property.

    Attributes
    ----------
    lowest_value, highest_value
        Of the property among the quarter's images.
    num_images
        A quarter of all; images with equal values stay together.
    error_rate
        Mean over images of the share of seeds wrong, 0..1.
    """

    lowest_value: float
    highest_value: float
    num_images: int
    error_rate: Estimate


@dataclass(frozen=True)
class EndContrast:
    """The lowest or the highest quarter against all other images.

    Attributes
    ----------
    high
        True for the highest quarter.
    edge
        The images in this quarter have at least (`high`) or at most this value.
    num_images
        In the quarter.
    inside, elsewhere
        Error rates, 0..1.
    difference
        `inside` minus `elsewhere`, with its 95 % interval.
    within_class
        The same difference between images of the same class.
    p_value
        Of the difference within classes; 1 if no class has images on both sides.
    adjusted_p
        After Benjamini and Hochberg over the family.
    """

    high: bool
    edge: float
    num_images: int
    inside: float
    elsewhere: float
    difference: Estimate
    within_class: Estimate
    p_value: float
    adjusted_p: float


@dataclass(frozen=True)
class ErrorTrend:
    """Error rate of one recipe by the quarters of one property.

    Attributes
    ----------
    recipe
        The recipe's name.
    fact
        The property.
    quarters
        From the lowest to the highest values; fewer than four if many images share one value.
    ends
        The lowest and the highest quarter, if large enough to be tested.
    significant
        Those of `ends` with a significant difference within classes.
    """

    recipe: str
    fact: ImageFact
    quarters: tuple[Quarter, ...]
    ends: tuple[EndContrast, ...]
    significant: tuple[EndContrast, ...]

    def quarter_name(self, end: EndContrast) -> str:
        """Name a quarter, such as `darkest quarter`."""
        return f"{self.fact.highest if end.high else self.fact.lowest} quarter"

    def sentences(self) -> tuple[str, ...]:
        """Describe each significant difference in one sentence."""
        return tuple(self.sentence(end) for end in self.significant)

    def sentence(self, end: EndContrast) -> str:
        """Describe the difference of one quarter, within classes first."""
        within = end.within_class
        direction = "higher" if within.value > 0 else "lower"
        nearest, farthest = sorted(round(100 * abs(limit)) for limit in (within.low, within.high))
        return (
            f"{self.quarter_name(end).capitalize()}: error rate {round(100 * abs(within.value))} points "
            f"({nearest} to {farthest}) {direction} than for other images of the same class; over all "
            f"classes {100 * end.inside:.0f} %, compared with {100 * end.elsewhere:.0f} % elsewhere."
        )


@dataclass(frozen=True)
class ImageProperty:
    """The lowest or the highest quarter of one property, for all recipes.

    Attributes
    ----------
    name
        Such as `darkest`; see `ErrorTrend.quarter_name`.
    ends
        By the recipe's name, in the study's order; without recipes whose quarter has no difference within
        classes.
    significant
        The names of the recipes whose difference within classes is significant.
    """

    name: str
    ends: dict[str, EndContrast]
    significant: frozenset[str]

    @property
    def largest(self) -> float:
        """The largest difference within classes of any recipe, without its sign."""
        return max(abs(end.within_class.value) for end in self.ends.values())


def properties(trends: Sequence[ErrorTrend]) -> tuple[ImageProperty, ...]:
    """Put recipes side by side for each tested quarter; the largest difference within classes first."""
    ends: dict[str, dict[str, EndContrast]] = {}
    significant: dict[str, set[str]] = {}
    for trend in trends:
        for end in trend.ends:
            if np.isfinite(end.within_class.value):
                name = trend.fact.highest if end.high else trend.fact.lowest
                ends.setdefault(name, {})[trend.recipe] = end
                significant.setdefault(name, set()).update([trend.recipe] if end in trend.significant else [])
    rows = [ImageProperty(name, by_recipe, frozenset(significant[name])) for name, by_recipe in ends.items()]
    return tuple(sorted(rows, key=lambda row: -row.largest))


MOST_SENTENCES = 5


def largest_differences(trends: Sequence[ErrorTrend]) -> tuple[tuple[str, ...], int]:
    """Describe the largest significant differences within classes.

    Returns
    -------
    sentences
        At most `MOST_SENTENCES`, the largest difference first.
    num_others
        Significant differences without a sentence.
    """
    found = [(trend, end) for trend in trends for end in trend.significant]
    found.sort(key=lambda each: -abs(each[1].within_class.value))
    sentences = tuple(trend.sentence(end) for trend, end in found[:MOST_SENTENCES])
    return sentences, len(found) - len(sentences)


def error_trends(
    predictions: Predictions,
    facts: Mapping[str, NDArray[np.float32]],
    false_discovery_rate: float = 0.05,
) -> tuple[ErrorTrend, ...]:
    """Compare the error rate between quarters of the images, for every recipe and property.

    Parameters
    ----------
    predictions
        Of all recipes.
    facts
        From `image_facts`, of the same images.
    false_discovery_rate
        Expected share of false positives among the significant differences, 0..1.

    Returns
    -------
    tuple of ErrorTrend
        In the order of recipes, then of properties.
    """
    drafts = []
    for recipe in predictions.recipes:
        error = 1 - predictions.correct(recipe.name).mean(axis=0)
        for name, values in facts.items():
            quarter = _quarter_of_image(values)
            ends = [
                _contrast(values, error, predictions.labels, quarter == place, high)
                for place, high in ((0, False), (3, True))
                if MIN_QUARTER <= np.sum(quarter == place) <= len(values) / 2
            ]
            drafts.append((recipe.name, fact_named(name), _quarters(values, error, quarter), ends))

    p_values = [end.p_value for *_, ends in drafts for end in ends]
    adjusted = iter(benjamini_hochberg(p_values))
    trends = []
    for recipe_name, fact, quarters, ends in drafts:
        final = tuple(replace(end, adjusted_p=next(adjusted)) for end in ends)
        significant = tuple(end for end in final if end.adjusted_p <= false_discovery_rate)
        trends.append(ErrorTrend(recipe_name, fact, quarters, final, significant))
    return tuple(trends)


def _quarter_of_image(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """int [num_images], 0 lowest to 3 highest; equal values are in the same quarter."""
    edges = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf")
    return np.searchsorted(edges, values, side="left").astype(np.int64)


def _quarters(
    values: NDArray[np.float32], error: NDArray[np.float64], quarter: NDArray[np.int64]
) -> tuple[Quarter, ...]:
    quarters = []
    for place in range(4):
        inside = quarter == place
        if inside.any():
            rate = _mean(error[inside])
            lowest, highest = float(values[inside].min()), float(values[inside].max())
            quarters.append(Quarter(lowest, highest, int(inside.sum()), rate))
    return tuple(quarters)


def _mean(error: NDArray[np.float64]) -> Estimate:
    """Mean over images with its t interval, clipped to 0..1."""
    mean = float(error.mean())
    if len(error) == 1:
        return Estimate(mean, np.nan, np.nan)
    half = stdtrit(len(error) - 1, 0.975) * error.std(ddof=1) / np.sqrt(len(error))
    return Estimate(mean, max(0.0, float(mean - half)), min(1.0, float(mean + half)))


def _contrast(
    values: NDArray[np.float32],
    error: NDArray[np.float64],
    labels: NDArray[np.int64],
    quarter: NDArray[np.bool_],
    high: bool,
) -> EndContrast:
    inside, outside = error[quarter], error[~quarter]
    variances = np.array([inside.var(ddof=1) / len(inside), outside.var(ddof=1) / len(outside)])
    difference = float(inside.mean() - outside.mean())
    variance, half = variances.sum(), 0.0
    if variance > 0:
        degrees = variance**2 / (variances**2 / np.array([len(inside) - 1, len(outside) - 1])).sum()
        half = float(stdtrit(degrees, 0.975) * np.sqrt(variance))
    within_class, p_value = _within_class(error, labels, quarter)
    return EndContrast(
        high=high,
        edge=float(values[quarter].min() if high else values[quarter].max()),
        num_images=len(inside),
        inside=float(inside.mean()),
        elsewhere=float(outside.mean()),
        difference=Estimate(difference, difference - half, difference + half),
        within_class=within_class,
        p_value=p_value,
        adjusted_p=np.nan,
    )


def _within_class(
    error: NDArray[np.float64], labels: NDArray[np.int64], quarter: NDArray[np.bool_]
) -> tuple[Estimate, float]:
    """Least squares of the error on being in the quarter and on the class; robust interval and p (HC1)."""
    centerd_error, centerd_quarter = _center(error, labels), _center(quarter.astype(float), labels)
    spread = float(centerd_quarter @ centerd_quarter)
    degrees = len(error) - len(np.unique(labels)) - 1
    if spread < 1e-9 or degrees < 1:
        return Estimate(np.nan, np.nan, np.nan), 1.0
    slope = float(centerd_quarter @ centerd_error) / spread
    residual = centerd_error - slope * centerd_quarter
    variance = float(((centerd_quarter * residual) ** 2).sum()) / spread**2 * len(error) / degrees
    half = float(stdtrit(degrees, 0.975)) * np.sqrt(variance)
    # No variance: equal means have p = 1, different ones p = 0.
    p_value = (
        float(2 * stdtr(degrees, -abs(slope) / np.sqrt(variance))) if variance > 0 else float(slope == 0)
    )
    return Estimate(slope, slope - half, slope + half), p_value


def _center(values: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Subtract each class's mean."""
    counts = np.bincount(labels)
    means = np.bincount(labels, weights=values) / np.maximum(counts, 1)
    centerd: NDArray[np.float64] = values - means[labels]
    return centerd
