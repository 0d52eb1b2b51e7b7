"""score_recipes() and judge_pairs(): the scores of recipes, and the verdict on each pair to compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.scores.by_name import SCORES, Score
from bakeoff.analysis.scores.scale import Scale
from bakeoff.analysis.statistics.crossed import (
    CrossedInterval,
    ScoreSummary,
    crossed_interval,
    summarize_scores,
)
from bakeoff.analysis.statistics.mcnemar import mcnemar_exact
from bakeoff.analysis.statistics.multiple_testing import holm
from bakeoff.analysis.statistics.verdict import Verdict, verdict
from bakeoff.predictions import Predictions


class RecipeScores:
    """The scores of one recipe's images, summarized once for all pairs that it is part of.

    Attributes
    ----------
    scores
        [num_seeds, num_images], whose mean in each run is the run's score: bool where an image is right or
        wrong, else float.
    groups
        int [num_images], which images belong together; None if each stands for itself.
    overlap
        Of the runs' training images, see `ScoreSummary`.
    """

    def __init__(
        self,
        scores: NDArray[np.bool_] | NDArray[np.float64],
        groups: NDArray[np.int64] | None = None,
        overlap: float = 0.0,
    ) -> None:
        self.scores = scores
        self.groups = groups
        self.overlap = overlap

    @cached_property
    def all(self) -> ScoreSummary:
        """Over seeds and images or groups."""
        return summarize_scores(self.scores, self.groups, self.overlap)

    @property
    def num_seeds(self) -> int:
        return len(self.scores)


def score_recipes(predictions: Predictions, score: Score) -> tuple[Score, dict[str, RecipeScores]]:
    """Score each recipe, by name; the score comes back with what is only known from its values."""
    scored = {}
    for recipe in predictions.recipes:
        scores, groups = score.samples(predictions, recipe.name)
        score = score.known_from(scores)
        scored[recipe.name] = RecipeScores(scores, groups, recipe.overlap)
    return score, scored


@dataclass(frozen=True)
class JudgedPair:
    """Recipe b against recipe a.

    Attributes
    ----------
    difference
        b minus a in the unit of the score, with the interval of one look.
    p, p_adjusted
        Uncorrected, and corrected for the looks and by Holm's method for the pairs.
    verdict
        On the recipes, or on the trained models if a recipe has one seed (`difference.parts.seeds_known`).
    """

    a: str
    b: str
    difference: CrossedInterval
    p: float
    p_adjusted: float
    verdict: Verdict

    @property
    def decided(self) -> bool:
        """Whether the recipes are better, worse or equivalent."""
        return self.difference.parts.seeds_known and self.verdict.name != "undecided"


def pairs_to_compare(names: Iterable[str], baseline: str | None) -> list[tuple[str, str]]:
    """Each recipe with the baseline before it, or all pairs in the order of the recipes if it is None."""
    if baseline is None:
        return list(combinations(names, 2))
    return [(baseline, name) for name in names if name != baseline]


def judge_pairs(
    scored: Mapping[str, RecipeScores],
    *,
    baseline: str | None,
    margin: float,
    looks: LookPlan,
    score: Score = SCORES["accuracy"],
    family: Sequence[float] = (),
) -> tuple[JudgedPair, ...]:
    """Judge each recipe against the baseline, or all pairs if it is None.

    Intervals have the level of one look; p-values are corrected for the looks, then by Holm's method.
    `family` are p-values of tests on other images, which are corrected together with these.
    """
    pairs = pairs_to_compare(scored, baseline)
    differences = [
        crossed_interval(scored[b].all, scored[a].all, confidence=looks.level, bounds=score.bounds)
        for a, b in pairs
    ]
    p_values = [
        mcnemar_exact(scored[a].scores[0], scored[b].scores[0])
        if score.scale.is_accuracy
        and scored[a].num_seeds == scored[b].num_seeds == 1
        and scored[a].groups is None
        else difference.p
        for (a, b), difference in zip(pairs, differences, strict=True)
    ]
    adjusted = holm([*(looks.adjust(p) for p in p_values), *family])[: len(pairs)]
    return tuple(
        JudgedPair(
            a, b, difference, p, p_adjusted, _verdict(difference, p_adjusted, score.scale, margin, looks)
        )
        for (a, b), difference, p, p_adjusted in zip(pairs, differences, p_values, adjusted, strict=True)
    )


def _verdict(
    difference: CrossedInterval, p_adjusted: float, scale: Scale, margin: float, looks: LookPlan
) -> Verdict:
    low, high = difference.low, difference.high
    if not scale.higher_is_better:
        low, high = -high, -low
    return verdict(low, high, p_adjusted, margin=margin, confidence=looks.confidence)
