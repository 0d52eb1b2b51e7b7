"""judge_pairs(): the verdict on each pair of recipes to compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.statistics.crossed import (
    CrossedInterval,
    ScoreSummary,
    crossed_interval,
    summarize_scores,
)
from bakeoff.analysis.statistics.mcnemar import mcnemar_exact
from bakeoff.analysis.statistics.multiple_testing import holm
from bakeoff.analysis.statistics.verdict import Verdict, verdict


class CorrectPredictions:
    """Which predictions of one recipe are correct, summarized once for all pairs that it is part of.

    Attributes
    ----------
    correct
        bool [num_seeds, num_images].
    groups
        int [num_images], which images belong together; None if each stands for itself.
    all
        Summary over seeds and images or groups.
    """

    def __init__(self, correct: NDArray[np.bool_], groups: NDArray[np.int64] | None = None) -> None:
        self.correct = correct
        self.groups = groups
        self.all: ScoreSummary = summarize_scores(correct, groups)

    @property
    def shares(self) -> NDArray[np.float64]:
        """float [num_images], the share of correct seeds on each image."""
        shares: NDArray[np.float64] = self.correct.mean(axis=0)
        return shares

    @property
    def num_seeds(self) -> int:
        return len(self.correct)


@dataclass(frozen=True)
class JudgedPair:
    """Recipe b against recipe a.

    Attributes
    ----------
    difference
        b minus a, with the interval of one look.
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


def judge_pairs(
    correct: Mapping[str, CorrectPredictions], *, baseline: str | None, margin: float, looks: LookPlan
) -> tuple[JudgedPair, ...]:
    """Judge each recipe against the baseline, or all pairs if it is None.

    Intervals have the level of one look; p-values are corrected for the looks, then by Holm's method.
    """
    if baseline is None:
        pairs = list(combinations(correct, 2))
    else:
        pairs = [(baseline, name) for name in correct if name != baseline]
    differences = [crossed_interval(correct[b].all, correct[a].all, confidence=looks.level) for a, b in pairs]
    p_values = [
        mcnemar_exact(correct[a].correct[0], correct[b].correct[0])
        if correct[a].num_seeds == correct[b].num_seeds == 1 and correct[a].groups is None
        else difference.p
        for (a, b), difference in zip(pairs, differences, strict=True)
    ]
    adjusted = holm([looks.adjust(p) for p in p_values])
    return tuple(
        JudgedPair(
            a,
            b,
            difference,
            p,
            p_adjusted,
            verdict(difference.low, difference.high, p_adjusted, margin=margin, confidence=looks.confidence),
        )
        for (a, b), difference, p, p_adjusted in zip(pairs, differences, p_values, adjusted, strict=True)
    )
