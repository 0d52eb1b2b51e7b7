"""What runs said about the same images: the arrays that storage hands to every analysis."""

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


@dataclass(frozen=True)
class RunMaps:
    """The maps of one run.

    Attributes
    ----------
    image_indices
        int [num_maps], the test images that the run gets wrong, ascending.
    maps
        float32 [num_maps, num_cells, num_cells]: what each place adds to the lead of the run's answer over
        the true class, in logits; above 0 it speaks for the answer.
    error
        float32 [num_maps]: how far the cells' sum misses the lead, over the sum of the cells' sizes.
    """

    image_indices: NDArray[np.int32]
    maps: NDArray[np.float32]
    error: NDArray[np.float32]
