"""Predictions: what all runs of all recipes said about the same images. The input of every analysis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RecipePredictions:
    """What the runs of one recipe predicted.

    Attributes
    ----------
    name
        The recipe's name.
    seeds
        One per run, ascending.
    predicted
        int [num_seeds, num_images], class indices.
    probabilities
        float32 [num_seeds, num_images, num_classes], rows sum to 1, or None where only the classes are
        known.
    """

    name: str
    seeds: tuple[int, ...]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None = None

    @property
    def num_seeds(self) -> int:
        return len(self.seeds)


@dataclass(frozen=True)
class Predictions:
    """Predictions of several recipes for one set of images.

    Attributes
    ----------
    labels
        int [num_images], true class indices.
    image_ids
        One name per image.
    class_names
        In label order.
    recipes
        In the study's order; each has at least one seed.
    """

    labels: NDArray[np.int64]
    image_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    recipes: tuple[RecipePredictions, ...]

    @property
    def num_images(self) -> int:
        return len(self.labels)

    def recipe(self, name: str) -> RecipePredictions:
        return next(recipe for recipe in self.recipes if recipe.name == name)

    def correct(self, name: str) -> NDArray[np.bool_]:
        """bool [num_seeds, num_images]: where the runs of recipe `name` are right."""
        right: NDArray[np.bool_] = self.recipe(name).predicted == self.labels
        return right
