import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from bakeoff.analysis.summary import scores
from bakeoff.predictions import Predictions, RecipePredictions


def predictions_of(*num_seeds: int) -> Predictions:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 200)
    recipes = tuple(
        RecipePredictions(f"recipe{k}", tuple(range(count)), generator.integers(0, 4, (count, 200)))
        for k, count in enumerate(num_seeds)
    )
    return Predictions(labels, tuple(map(str, range(200))), ("a", "b", "c", "d"), recipes)


def test_accuracies_agree_with_sklearn_run_by_run() -> None:
    predictions = predictions_of(3, 5)
    for recipe, score in zip(predictions.recipes, scores(predictions), strict=True):
        expected = [accuracy_score(predictions.labels, predicted) for predicted in recipe.predicted]
        assert score.recipe == recipe.name
        assert score.seeds == recipe.seeds
        assert score.accuracy.tolist() == pytest.approx(expected)
        assert score.mean == pytest.approx(np.mean(expected))
        assert score.sd == pytest.approx(np.std(expected, ddof=1))


def test_one_seed_has_no_standard_deviation() -> None:
    (score,) = scores(predictions_of(1))
    assert np.isnan(score.sd)
    assert score.mean == score.accuracy[0]
