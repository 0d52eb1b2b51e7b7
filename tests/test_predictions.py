"""Predictions: what each run got right."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from tests.analysis.comparison.samples import draw_predictions


def test_runs_are_right_where_scikit_learn_says_so() -> None:
    predictions = draw_predictions(num_seeds=(2, 3, 1))
    for recipe in predictions.recipes:
        expected = [accuracy_score(predictions.labels, run) for run in recipe.predicted]
        correct = predictions.correct(recipe.name)
        assert correct.shape == (recipe.num_seeds, predictions.num_images)
        assert correct.mean(1).tolist() == pytest.approx(expected)
        assert predictions.recipe(recipe.name) is recipe
    assert np.array_equal(predictions.recipe("recipe_1").predicted, predictions.recipes[1].predicted)
