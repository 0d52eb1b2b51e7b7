"""Comparing recipes by another score than accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.analysis.scores.by_name import score_named
from bakeoff.analysis.statistics.crossed import ScoreSummary, crossed_interval, summarize_scores
from bakeoff.analysis.statistics.multiple_testing import holm
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions

Metric = Callable[[NDArray[np.int64], NDArray[np.float32]], ArrayLike]
"""From labels [num_images] and probabilities [num_images, num_classes] to one score per image."""


@dataclass(frozen=True)
class MetricResult:
    """A recipe's mean score with its interval over seeds and images."""

    recipe: str
    num_seeds: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class MetricDifference:
    """The difference b - a of two recipes' mean scores, with its interval and p (adjusted after Holm)."""

    a: str
    b: str
    difference: float
    low: float
    high: float
    p_holm: float


@dataclass(frozen=True)
class MetricComparison:
    """Recipes compared by another score than accuracy; see `compare_metric`."""

    confidence: float
    recipes: tuple[MetricResult, ...]
    pairs: tuple[MetricDifference, ...]


def compare_metric(
    predictions: Predictions,
    metric: Metric | str,
    *,
    baseline: str | None = None,
    confidence: float = 0.95,
) -> MetricComparison:
    """Compare recipes by a score, over seeds and images (or groups of images).

    The intervals are those of the comparison by accuracy (crossed random effects of seeds and images), for a
    named score over each image's influence on it. A function that returns True and False is bounded like
    accuracy, other functions are not. If a recipe has one seed, they are valid for the trained model only.

    Parameters
    ----------
    predictions
        Of all recipes for the same images, with probabilities.
    metric
        The name of a score: accuracy, balanced_accuracy, macro_f1, auroc, average_precision, log_loss, brier
        or top_K, such as top_3. Or a function, called once per run with labels [num_images] and probabilities
        [num_images, num_classes], that returns one finite score per image.
    baseline
        Compare every other recipe with this one; None compares all pairs.
    confidence
        Of the intervals, 0..1.

    Raises
    ------
    BakeoffError
        If there is no score of this name, the metric does not return one finite number per image,
        probabilities are missing, or the baseline is not one of the recipes.
    """
    names = [recipe.name for recipe in predictions.recipes]
    if baseline is not None and baseline not in names:
        raise BakeoffError(f"baseline {baseline!r} is not one of the recipes: {', '.join(names)}")
    scores: dict[str, NDArray[np.float64] | NDArray[np.bool_]]
    if isinstance(metric, str):
        score = score_named(metric)
        scores = {name: score.of_images(predictions, name) for name in names}
        bounds = score.bounds
    else:
        scores = {name: _scores(predictions, name, metric) for name in names}
        right_or_wrong = all(of_recipe.dtype == np.bool_ for of_recipe in scores.values())
        bounds = (0.0, 1.0) if right_or_wrong else (-np.inf, np.inf)
    summaries = {name: summarize_scores(of_recipe, predictions.groups) for name, of_recipe in scores.items()}
    recipes = []
    for name, summary in summaries.items():
        interval = crossed_interval(summary, confidence=confidence, bounds=bounds)
        recipes.append(
            MetricResult(name, len(summary.seed_means), interval.value, interval.low, interval.high)
        )
    pairs = list(combinations(names, 2))
    if baseline is not None:
        pairs = [(baseline, name) for name in names if name != baseline]
    return MetricComparison(confidence, tuple(recipes), _differences(summaries, pairs, confidence, bounds))


def _differences(
    summaries: dict[str, ScoreSummary],
    pairs: list[tuple[str, str]],
    confidence: float,
    bounds: tuple[float, float],
) -> tuple[MetricDifference, ...]:
    intervals = [
        crossed_interval(summaries[b], summaries[a], confidence=confidence, bounds=bounds) for a, b in pairs
    ]
    return tuple(
        MetricDifference(a, b, interval.value, interval.low, interval.high, p)
        for (a, b), interval, p in zip(
            pairs, intervals, holm([interval.p for interval in intervals]), strict=True
        )
    )


def _scores(predictions: Predictions, name: str, metric: Metric) -> NDArray[np.float64] | NDArray[np.bool_]:
    probabilities = predictions.recipe(name).probabilities
    if probabilities is None:
        raise BakeoffError(f"{name} has no probabilities, which a metric needs")
    rows = []
    for run in probabilities:
        scores = np.asarray(metric(predictions.labels, run))
        if scores.dtype != np.bool_:
            scores = scores.astype(np.float64)
        if scores.shape != predictions.labels.shape or not np.isfinite(scores).all():
            raise BakeoffError(
                f"the metric returned scores of shape {list(scores.shape)}, "
                f"{np.isfinite(scores).sum()} of them finite; "
                f"expected one finite score for each of {predictions.num_images} images"
            )
        rows.append(scores)
    return np.stack(rows)
