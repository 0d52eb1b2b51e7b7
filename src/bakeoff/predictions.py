"""Predictions of several runs for the same images: the arrays that every analysis takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RecipePredictions:
    """Predictions of the runs of one recipe.

    Attributes
    ----------
    name
        The recipe's name.
    seeds
        One per run, ascending.
    predicted
        int [num_seeds, num_images], class indices.
    probabilities
        float32 [num_seeds, num_images, num_classes], rows sum to 1; None if only the classes are known.
    overlap
        Where each run drew its own n training and v validation images from a pool of n + v: n / v. 0 where
        all runs had the same.
    """

    name: str
    seeds: tuple[int, ...]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None = None
    overlap: float = 0.0

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
    groups
        int [num_images], which images belong together, such as those of one patient; None, also where groups
        were given, if each stands for itself.
    notes
        Sentences on what was not read literally, and on predictions that look like a mistake.
    """

    labels: NDArray[np.int64]
    image_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    recipes: tuple[RecipePredictions, ...]
    groups: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.num_groups == self.num_images:
            object.__setattr__(self, "groups", None)

    @property
    def num_images(self) -> int:
        return len(self.labels)

    @property
    def num_groups(self) -> int | None:
        """None if each image stands for itself."""
        return None if self.groups is None else len(np.unique(self.groups))

    def groups_of(self, images: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        """The groups of some images, given as a mask."""
        return None if self.groups is None else self.groups[images]

    def recipe(self, name: str) -> RecipePredictions:
        return next(recipe for recipe in self.recipes if recipe.name == name)

    def correct(self, name: str) -> NDArray[np.bool_]:
        """bool [num_seeds, num_images]: whether each run of recipe `name` is correct."""
        correct: NDArray[np.bool_] = self.recipe(name).predicted == self.labels
        return correct


def predictions_from_logits(
    labels: NDArray[np.int64],
    image_ids: tuple[str, ...],
    class_names: tuple[str, ...],
    logits: Mapping[str, Mapping[int, NDArray[np.float32]]],
    groups: Sequence[str] | None = None,
    overlaps: Mapping[str, float] | None = None,
) -> Predictions:
    """The predictions of runs from their logits, float32 [num_images, num_classes] by recipe and seed.

    Parameters
    ----------
    labels, image_ids, class_names
        As in `Predictions`.
    logits
        Each recipe with at least one seed, ascending.
    groups
        For each image the name of those that belong together; None if each stands for itself.
    overlaps
        By recipe, as in `RecipePredictions`; without those whose runs had the same training images.
    """
    from scipy.special import softmax  # a third of a second, which `bakeoff run` need not begin with

    recipes = []
    for name, by_seed in logits.items():
        stacked = np.stack(list(by_seed.values())).astype(np.float64)
        probabilities = softmax(stacked, axis=2).astype(np.float32)
        overlap = (overlaps or {}).get(name, 0.0)
        recipes.append(
            RecipePredictions(name, tuple(by_seed), stacked.argmax(axis=2), probabilities, overlap)
        )
    numbers = None if groups is None else np.unique(groups, return_inverse=True)[1]
    return Predictions(labels, image_ids, class_names, tuple(recipes), numbers)


@dataclass(frozen=True)
class RunMaps:
    """Attribution maps of one run.

    Attributes
    ----------
    image_indices
        int [num_maps], the test images that the run misclassifies, ascending.
    maps
        float32 [num_maps, num_cells, num_cells]: what each cell contributes to the logit of the predicted
        class minus that of the true class; positive values support the wrong prediction.
    error
        float32 [num_maps]: the completeness error, the difference between the sum of the cells and the logit
        difference that they explain, relative to the sum of the cells' absolute values.
    """

    image_indices: NDArray[np.int32]
    maps: NDArray[np.float32]
    error: NDArray[np.float32]
