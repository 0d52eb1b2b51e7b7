"""The verdict on each pair of recipes, from the statistics that it is made of."""

from itertools import combinations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.comparison.pairs import RecipeScores, judge_pairs
from bakeoff.analysis.statistics.crossed import crossed_interval


def outcomes(num_seeds: int, *accuracies: float) -> dict[str, RecipeScores]:
    rng = np.random.default_rng(0)
    return {
        f"recipe_{place}": RecipeScores(rng.random((num_seeds, 400)) < accuracy)
        for place, accuracy in enumerate(accuracies)
    }


def test_all_pairs_are_judged_with_p_values_adjusted_for_them() -> None:
    found = outcomes(5, 0.5, 0.52, 0.8)
    pairs = judge_pairs(found, baseline=None, margin=0.01, looks=LookPlan((5,)))
    assert [(pair.a, pair.b) for pair in pairs] == list(combinations(found, 2))
    plain = [crossed_interval(found[pair.b].all, found[pair.a].all).p for pair in pairs]
    assert [pair.p for pair in pairs] == plain
    assert [pair.p_adjusted for pair in pairs] == pytest.approx(multipletests(plain, method="holm")[1])
    assert [pair.verdict.name for pair in pairs] == ["undecided", "better", "better"]
    assert [pair.decided for pair in pairs] == [False, True, True]


def test_a_baseline_is_the_first_of_each_pair() -> None:
    pairs = judge_pairs(outcomes(3, 0.5, 0.6, 0.7), baseline="recipe_1", margin=0.01, looks=LookPlan((3,)))
    assert [(pair.a, pair.b) for pair in pairs] == [("recipe_1", "recipe_0"), ("recipe_1", "recipe_2")]


def test_with_one_seed_each_the_test_is_mcnemars_and_nothing_is_decided_about_recipes() -> None:
    found = outcomes(1, 0.4, 0.8)
    (pair,) = judge_pairs(found, baseline=None, margin=0.01, looks=LookPlan((1,)))
    a, b = (found[name].scores[0] for name in found)
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert pair.p == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert pair.verdict.name == "better"
    assert not pair.decided


def test_more_looks_make_intervals_wider_and_p_values_larger() -> None:
    found = outcomes(5, 0.5, 0.56)
    (once,), (often,) = (
        judge_pairs(found, baseline=None, margin=0.01, looks=LookPlan(seeds)) for seeds in ((5,), (5, 7, 10))
    )
    assert often.difference.low < once.difference.low
    assert often.p == once.p
    assert often.p_adjusted > once.p_adjusted
