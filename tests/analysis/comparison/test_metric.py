"""Recipes compared by a score of one's own."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, top_k_accuracy_score
from statsmodels.stats.multitest import multipletests
from tests.analysis.comparison.samples import draw_predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.metric import compare_metric
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.errors import BakeoffError


def right(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return probabilities.argmax(1) == labels


def in_first_two(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return (np.argsort(probabilities, 1)[:, -2:] == labels[:, None]).any(1)


def test_right_and_wrong_is_the_comparison_by_accuracy() -> None:
    predictions = draw_predictions()
    found, expected = compare_metric(predictions, right), compare(predictions)
    for mine, usual in zip(found.recipes, expected.recipes, strict=True):
        assert (mine.mean, mine.low, mine.high) == (usual.accuracy, *usual.interval)
    for mine, usual in zip(found.pairs, expected.pairs, strict=True):
        assert (mine.a, mine.b, mine.difference, mine.p_holm) == (
            usual.a,
            usual.b,
            usual.difference,
            usual.p_holm,
        )


def test_means_are_scikit_learns_and_p_values_are_adjusted_as_by_statsmodels() -> None:
    predictions = draw_predictions(num_recipes=4, spread=0.15)
    found = compare_metric(predictions, in_first_two, baseline="recipe_1")
    for recipe, result in zip(predictions.recipes, found.recipes, strict=True):
        runs = [
            top_k_accuracy_score(predictions.labels, run.astype(float), k=2) for run in recipe.probabilities
        ]
        assert result.mean == pytest.approx(np.mean(runs))
        assert result.num_seeds == 5
    assert [(pair.a, pair.b) for pair in found.pairs] == [
        ("recipe_1", name) for name in ("recipe_0", "recipe_2", "recipe_3")
    ]
    scores = {
        recipe.name: summarize_scores(
            np.stack([in_first_two(predictions.labels, run) for run in recipe.probabilities])
        )
        for recipe in predictions.recipes
    }
    plain = [crossed_interval(scores[pair.b], scores[pair.a]).p for pair in found.pairs]
    assert [pair.p_holm for pair in found.pairs] == pytest.approx(multipletests(plain, method="holm")[1])


def test_numbers_are_not_cut_at_one() -> None:
    found = compare_metric(draw_predictions(), lambda labels, probabilities: 100.0 * labels)
    assert all(recipe.high > recipe.mean > 1 for recipe in found.recipes)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda labels, probabilities: 0.5, r"scores of shape \[\]"),
        (lambda labels, probabilities: np.where(labels == 0, np.nan, 1.0), "expected one finite score"),
        (lambda labels, probabilities: probabilities, "expected one finite score for each of 300 images"),
    ],
)
def test_a_metric_that_gives_something_else_is_refused(metric, message) -> None:
    with pytest.raises(BakeoffError, match=message):
        compare_metric(draw_predictions(), metric)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(BakeoffError, match="recipe_0 has no probabilities"):
        compare_metric(draw_predictions(probabilities=False), right)
    with pytest.raises(BakeoffError, match="baseline 'x' is not one of the recipes"):
        compare_metric(draw_predictions(), right, baseline="x")


def test_a_named_score_is_compared_by_its_influence_values() -> None:
    predictions = draw_predictions(num_recipes=2)
    accuracy, expected = compare_metric(predictions, "accuracy"), compare_metric(predictions, right)
    for found, mean in zip(accuracy.recipes, expected.recipes, strict=True):
        assert (found.mean, found.low, found.high) == pytest.approx((mean.mean, mean.low, mean.high))
    found = compare_metric(predictions, "macro_f1")
    for recipe, result in zip(predictions.recipes, found.recipes, strict=True):
        runs = [f1_score(predictions.labels, run, average="macro") for run in recipe.predicted]
        assert result.mean == pytest.approx(np.mean(runs))
        assert result.low < result.mean < result.high
    (pair,) = found.pairs
    assert pair.difference == pytest.approx(found.recipes[1].mean - found.recipes[0].mean)
