"""Runs that failed: which they are, how often a recipe has them, and the comparison without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.comparison.pairs import JudgedPair, judge_pairs, score_recipes
from bakeoff.analysis.comparison.result import OutlyingRuns, PairWithout, RunAccuracy
from bakeoff.analysis.scores.by_name import Score
from bakeoff.analysis.statistics.wilson import wilson_interval
from bakeoff.predictions import Predictions, RecipePredictions

OUTLYING_POINTS, OUTLYING_DEVIATIONS, OUTLYING_ERRORS = 0.1, 5.0, 4.0
"""A run is outlying if it is so far from the median of its recipe's runs: as a share, in their median
absolute deviations, and in standard errors from the test images. It diverged; it is not just a bad one."""

FEWEST_RUNS = 3
"""Of two runs, neither is the odd one."""


def outlying_runs(runs: Sequence[RunAccuracy], num_images: int, confidence: float) -> OutlyingRuns | None:
    """Find the runs whose accuracy is far from that of the recipe's other runs; None with fewer than three.

    Parameters
    ----------
    runs
        Of one recipe.
    num_images
        In the test split.
    confidence
        Of the interval of their share.
    """
    if len(runs) < FEWEST_RUNS:
        return None
    accuracies = np.array([run.accuracy for run in runs])
    median = float(np.median(accuracies))
    distances = np.abs(accuracies - median)
    error = (median * (1 - median) / num_images) ** 0.5
    limit = max(OUTLYING_POINTS, OUTLYING_DEVIATIONS * float(np.median(distances)), OUTLYING_ERRORS * error)
    seeds = tuple(run.seed for run, distance in zip(runs, distances, strict=True) if distance > limit)
    return OutlyingRuns(seeds, len(seeds) / len(runs), wilson_interval(len(seeds), len(runs), confidence))


def judge_without(
    predictions: Predictions,
    outlying: Mapping[str, Sequence[int]],
    *,
    baseline: str | None,
    margin: float,
    looks: LookPlan,
    score: Score,
    family: Sequence[float] = (),
) -> dict[tuple[str, str], PairWithout]:
    """Judge the pairs again without some runs; the result has the pairs of which a run was left out.

    Parameters
    ----------
    predictions
        Of all runs.
    outlying
        The seeds to leave out, by recipe.
    baseline, margin, looks, score, family
        As of the comparison.
    """
    if not any(outlying.values()):
        return {}
    kept = tuple(_without(recipe, outlying.get(recipe.name, ())) for recipe in predictions.recipes)
    score, scored = score_recipes(replace(predictions, recipes=kept), score)
    judged = judge_pairs(scored, baseline=baseline, margin=margin, looks=looks, score=score, family=family)
    return {
        (pair.a, pair.b): _as_result(pair) for pair in judged if outlying.get(pair.a) or outlying.get(pair.b)
    }


def _without(recipe: RecipePredictions, seeds: Sequence[int]) -> RecipePredictions:
    kept = [row for row, seed in enumerate(recipe.seeds) if seed not in seeds]
    return replace(
        recipe,
        seeds=tuple(recipe.seeds[row] for row in kept),
        predicted=recipe.predicted[kept],
        probabilities=None if recipe.probabilities is None else recipe.probabilities[kept],
    )


def _as_result(pair: JudgedPair) -> PairWithout:
    difference = pair.difference
    return PairWithout(
        difference=difference.value,
        interval=(difference.low, difference.high),
        p_holm=pair.p_adjusted,
        verdict=pair.verdict.name if difference.parts.seeds_known else "undecided",
    )
