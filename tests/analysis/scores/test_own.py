"""A user's function as a score: one number per run by the jackknife, or one per image."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from tests.analysis.comparison.samples import draw_predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.scores.own import MOST_PARTS, as_score, own_metric
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.errors import BakeoffError
from bakeoff.predictions import RecipePredictions


def right(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return probabilities.argmax(1) == labels


def share_right(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float((probabilities.argmax(1) == labels).mean())


def f1(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Macro F1 by counts, quick enough for a jackknife."""
    table = np.zeros((4, 4))
    np.add.at(table, (labels, probabilities.argmax(1)), 1)
    return float((2 * table.diagonal() / (table.sum(0) + table.sum(1))).mean())


def of_recipes(comparison: Comparison) -> list[tuple[float, float, float]]:
    return [(recipe.score, *recipe.interval) for recipe in comparison.recipes]


def test_right_and_wrong_is_the_comparison_by_accuracy() -> None:
    predictions = draw_predictions()
    found, expected = compare(predictions, metric=right), compare(predictions)
    assert of_recipes(found) == of_recipes(expected)
    assert [(pair.difference, pair.interval, pair.p_holm, pair.verdict) for pair in found.pairs] == [
        (pair.difference, pair.interval, pair.p_holm, pair.verdict) for pair in expected.pairs
    ]
    assert found.scale.unit == "%"
    assert found.conclusion == f"By right: {expected.conclusion}"


@pytest.mark.parametrize("groups", [None, np.arange(300) // 7])
def test_the_jackknife_of_a_mean_is_its_interval(groups: np.ndarray | None) -> None:
    predictions = draw_predictions(num_recipes=2)
    predictions = dataclasses.replace(predictions, groups=groups)
    unbounded, expected = compare(predictions, metric=share_right), compare(predictions)
    for found, usual in zip(unbounded.recipes, expected.recipes, strict=True):
        assert (found.score, *found.interval) == pytest.approx((usual.accuracy, *usual.interval))
    (found,), (usual,) = unbounded.pairs, expected.pairs
    assert (found.difference, *found.interval) == pytest.approx((usual.difference, *usual.interval))


def test_the_jackknife_of_macro_f1_is_near_its_influence_values() -> None:
    predictions = draw_predictions(num_recipes=2, num_images=400)
    own = compare(predictions, metric=own_metric(f1, bounds=(0, 1)))
    named = compare(predictions, metric="macro_f1")
    for found, expected in zip(of_recipes(own), of_recipes(named), strict=True):
        assert found[0] == pytest.approx(expected[0], abs=1e-12)
        assert found[1:] == pytest.approx(expected[1:], abs=1e-3)
    assert own.pairs[0].interval == pytest.approx(named.pairs[0].interval, abs=1e-3)


def test_many_images_are_left_out_in_parts() -> None:
    predictions = draw_predictions(num_recipes=2, num_seeds=2, num_images=2 * MOST_PARTS + 5)
    scores, groups = as_score(share_right).samples(predictions, "recipe_0")
    assert (scores.shape, groups) == ((2, MOST_PARTS), None)
    exact = crossed_interval(summarize_scores(predictions.correct("recipe_0")))
    found = crossed_interval(summarize_scores(scores))
    assert found.value == pytest.approx(exact.value)
    assert found.high - found.low == pytest.approx(exact.high - exact.low, rel=0.1)
    # Where the seeds all agree, only more images could decide: these are counted, not the parts.
    agreeing = draw_predictions(num_recipes=2, num_seeds=1, num_images=2 * MOST_PARTS + 5, spread=0.0)
    recipes = tuple(
        RecipePredictions(
            recipe.name, (0, 1, 2), recipe.predicted.repeat(3, 0), recipe.probabilities.repeat(3, 0)
        )
        for recipe in agreeing.recipes
    )
    agreeing = dataclasses.replace(agreeing, recipes=recipes)
    (found,), (usual,) = (
        compare(agreeing, metric=metric, margin=0.02).pairs for metric in (share_right, "accuracy")
    )
    assert found.seeds_needed is usual.seeds_needed is None
    assert found.images_needed == pytest.approx(usual.images_needed, rel=0.5)


def test_a_function_of_scikit_learn_whose_low_values_are_better() -> None:
    def disagreement(labels: np.ndarray, probabilities: np.ndarray) -> float:
        return 1 - cohen_kappa_score(labels, probabilities.argmax(1))

    predictions = draw_predictions(num_recipes=2, num_images=100, num_seeds=2, spread=3.0)
    found = compare(predictions, metric=own_metric(disagreement, name="1 - kappa", higher_is_better=False))
    (pair,) = found.pairs
    assert pair.difference < 0
    assert (pair.verdict, pair.p_outperform) == ("better", 1.0)
    assert found.conclusion.startswith("By 1 - kappa (lower is better): recipe_1 is better than recipe_0 by ")


def test_numbers_are_not_cut_at_one() -> None:
    found = compare(draw_predictions(), metric=lambda labels, probabilities: 100.0 * labels)
    assert all(recipe.high > recipe.mean > 1 for recipe in found.recipes)


@pytest.mark.parametrize(
    "metric",
    [
        lambda labels, probabilities: np.where(labels == 0, np.nan, 1.0),
        lambda labels, probabilities: float("nan"),
        lambda labels, probabilities: probabilities,
    ],
)
def test_a_metric_that_gives_something_else_is_refused(metric) -> None:
    with pytest.raises(BakeoffError, match="expected one finite number, or one finite score for each of 300"):
        compare(draw_predictions(), metric=metric)


def test_a_metric_that_gives_a_text_is_refused() -> None:
    with pytest.raises(BakeoffError, match="returned 'good'; expected one number, or one for each image"):
        compare(draw_predictions(), metric=lambda labels, probabilities: "good")


def test_what_cannot_be_a_metric_is_refused() -> None:
    with pytest.raises(BakeoffError, match="recipe_0 has no probabilities, which right needs"):
        compare(draw_predictions(probabilities=False), metric=right)
    with pytest.raises(BakeoffError, match="metric: found int, expected the name of a score, or a function"):
        as_score(3)


def test_a_function_that_writes_into_what_it_gets_changes_nothing() -> None:
    def careless(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        score = right(labels, probabilities)
        labels[:], probabilities[:] = 0, 0
        return score

    predictions = draw_predictions()
    assert of_recipes(compare(predictions, metric=careless)) == of_recipes(compare(predictions, metric=right))
