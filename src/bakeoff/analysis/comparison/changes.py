"""compare_changes(): whether the differences between recipes are the same on other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.pairs import pairs_to_compare
from bakeoff.analysis.comparison.result import Interval
from bakeoff.analysis.scores.own import Metric, as_score
from bakeoff.analysis.scores.scale import Scale
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.analysis.statistics.multiple_testing import holm
from bakeoff.analysis.statistics.verdict import verdict
from bakeoff.files import jsonable
from bakeoff.predictions import Predictions

Outcome = Literal["changed", "same", "undecided"]


@dataclass(frozen=True)
class RecipeChange:
    """A recipe's score on the test images and on others, and the change with its interval."""

    name: str
    before: float
    after: float
    change: float
    interval: Interval


@dataclass(frozen=True)
class PairChange:
    """The difference b minus a on the test images and on others, and the difference of these differences.

    Attributes
    ----------
    change, interval, p, p_holm
        After minus before, over seeds and both sets of images; p uncorrected, and corrected by Holm's method
        for the pairs (and for other sets of images, if there are several).
    outcome
        changed (p_holm is below 1 - confidence and the interval excludes 0), same (the interval lies within
        the margin) or undecided.
    """

    a: str
    b: str
    before: float
    after: float
    change: float
    interval: Interval
    p: float
    p_holm: float
    outcome: Outcome

    def describe(self, scale: Scale) -> str:
        """One sentence."""
        text = (
            f"{self.b} minus {self.a}: {scale.difference(self.before)} on the test images, "
            f"{scale.difference(self.after)} on these, a change of {scale.difference(self.change)} "
            f"({scale.interval(self.interval)}): "
        )
        if self.outcome == "changed":
            return text + "the difference does not stay the same."
        if self.outcome == "same":
            return text + "the difference stays the same, within the margin."
        return text + "undecided whether the difference stays the same."


@dataclass(frozen=True)
class Changes:
    """What changes from a study's test images to others."""

    metric: str
    scale: Scale
    margin: float
    confidence: float
    recipes: tuple[RecipeChange, ...]
    pairs: tuple[PairChange, ...]

    def within(self, family: Sequence[float]) -> Changes:
        """The same, with p-values corrected together with those of changes on other sets of images."""
        adjusted = holm([*(pair.p for pair in self.pairs), *family])
        pairs = []
        for pair, p in zip(self.pairs, adjusted, strict=False):
            outcome = pair.outcome
            if outcome == "changed":  # a larger p-value decides nothing else
                outcome = _outcome(pair.interval, p, self.margin, self.confidence)
            pairs.append(replace(pair, p_holm=p, outcome=outcome))
        return replace(self, pairs=tuple(pairs))

    def to_dict(self) -> dict[str, Any]:
        """Dicts, lists and plain values, for JSON."""
        content: dict[str, Any] = jsonable(self)
        return content


def compare_changes(
    before: Predictions,
    after: Predictions,
    *,
    metric: Metric = "accuracy",
    baseline: str | None = None,
    margin: float = 0.01,
    confidence: float = 0.95,
) -> Changes:
    """Compare how the scores of the same runs change from one set of images to another.

    A run's change is the mean of z_i = change + (N / N_k) (y_i - mean_k) over the images of both sets, with
    the sign of the set k, its N_k images, N in all, and y the scores of images: the variance of z over images
    is that of both sets, drawn independently, and that over seeds is the variance of the runs' changes. The
    crossed interval then applies unchanged.

    Parameters
    ----------
    before, after
        Of the same recipes and seeds.
    metric, baseline, margin, confidence
        As for `compare`.
    """
    score = as_score(metric)
    groups = _groups(before, after)
    changes, values = {}, {}
    for recipe in before.recipes:
        old = np.asarray(score.of_images(before, recipe.name), np.float64)
        new = np.asarray(score.of_images(after, recipe.name), np.float64)
        changes[recipe.name] = summarize_scores(_scores_of_change(old, new), groups, recipe.overlap)
        values[recipe.name] = (float(old.mean()), float(new.mean()))
    extent = score.bounds[1] - score.bounds[0]
    bounds = (-extent, extent)
    recipes = []
    for name, summary in changes.items():
        whole = crossed_interval(summary, confidence=confidence, bounds=bounds)
        recipes.append(RecipeChange(name, *values[name], whole.value, (whole.low, whole.high)))
    pairs = pairs_to_compare(changes, baseline)
    intervals = [
        crossed_interval(changes[b], changes[a], confidence=confidence, bounds=bounds) for a, b in pairs
    ]
    results = []
    adjusted = holm([interval.p for interval in intervals])
    for (a, b), interval, p in zip(pairs, intervals, adjusted, strict=True):
        ends = (interval.low, interval.high)
        known = interval.parts.seeds_known
        results.append(
            PairChange(
                a,
                b,
                values[b][0] - values[a][0],
                values[b][1] - values[a][1],
                interval.value,
                ends,
                interval.p,
                p,
                _outcome(ends, p, margin, confidence) if known else "undecided",
            )
        )
    return Changes(score.name, score.scale, margin, confidence, tuple(recipes), tuple(results))


def _scores_of_change(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 [num_seeds, num_images of both]."""
    means = [scores.mean(axis=1, keepdims=True) for scores in (old, new)]
    number = old.shape[1] + new.shape[1]
    parts = [
        sign * number / scores.shape[1] * (scores - mean)
        for sign, scores, mean in zip((-1, 1), (old, new), means, strict=True)
    ]
    change: NDArray[np.float64] = means[1] - means[0] + np.concatenate(parts, axis=1)
    return change


def _outcome(interval: Interval, p: float, margin: float, confidence: float) -> Outcome:
    found = verdict(*interval, p, margin=margin, confidence=confidence).name
    if found in ("better", "worse"):
        return "changed"
    return "same" if found == "equivalent" else "undecided"


def _groups(before: Predictions, after: Predictions) -> NDArray[np.int64] | None:
    """The groups of the images of both; an image of a set without groups is one of its own."""
    if before.groups is None and after.groups is None:
        return None
    own = [
        np.arange(each.num_images) if each.groups is None else np.unique(each.groups, return_inverse=True)[1]
        for each in (before, after)
    ]
    return np.concatenate([own[0], own[1] + own[0].max() + 1])
