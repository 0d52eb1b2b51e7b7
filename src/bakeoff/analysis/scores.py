"""Test accuracy: of each run, and over the seeds of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.predictions import Predictions


@dataclass(frozen=True)
class RecipeScore:
    """Test accuracies of one recipe's runs.

    Attributes
    ----------
    recipe
        The recipe's name.
    seeds
        One per run, ascending.
    accuracy
        float [num_seeds], share of test images classified rightly, 0..1.
    """

    recipe: str
    seeds: tuple[int, ...]
    accuracy: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """The mean over seeds, 0..1."""
        return float(self.accuracy.mean())

    @property
    def sd(self) -> float:
        """The standard deviation over seeds (n - 1); NaN with one seed."""
        return float(self.accuracy.std(ddof=1)) if len(self.accuracy) > 1 else float("nan")


def scores(predictions: Predictions) -> tuple[RecipeScore, ...]:
    """Give the test accuracies of every recipe, in the study's order."""
    return tuple(
        RecipeScore(recipe.name, recipe.seeds, predictions.correct(recipe.name).mean(axis=1))
        for recipe in predictions.recipes
    )
