"""How difficult each image is for each recipe: number of correct runs, and the usual wrong prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.predictions import Predictions, RecipePredictions

NEVER_WRONG = -1
"""Value of `ImageDifficulty.usual_wrong` for an image that every run of the recipe classifies correctly."""


@dataclass(frozen=True)
class ImageDifficulty:
    """How one recipe's runs classify each image.

    Attributes
    ----------
    recipe
        The recipe's name.
    num_seeds
        The number of runs.
    num_right
        int [num_images], the number of runs that classify the image correctly.
    usual_wrong
        int [num_images], the wrong class predicted by most runs; a tie goes to the class with the higher mean
        probability over all runs, then to the lower class index. `NEVER_WRONG` if every run is right.
    num_usual_wrong
        int [num_images], the number of runs that predict this wrong class.
    true_probability
        float [num_images], the probability of the true class, mean over all runs; NaN if probabilities are
        not known.
    wrong_probability
        float [num_images], the same for the usual wrong class; NaN if there is none.
    """

    recipe: str
    num_seeds: int
    num_right: NDArray[np.int64]
    usual_wrong: NDArray[np.int64]
    num_usual_wrong: NDArray[np.int64]
    true_probability: NDArray[np.float64]
    wrong_probability: NDArray[np.float64]

    @property
    def num_wrong(self) -> NDArray[np.int64]:
        """int [num_images], the number of runs that misclassify the image."""
        return self.num_seeds - self.num_right

    @property
    def share_right(self) -> NDArray[np.float64]:
        """float [num_images], the share of correct runs, 0..1."""
        return self.num_right / self.num_seeds


def image_difficulty(
    labels: NDArray[np.int64], recipe: RecipePredictions, num_classes: int
) -> ImageDifficulty:
    """Describe how one recipe's runs classify each image.

    Parameters
    ----------
    labels
        int [num_images], true classes.
    recipe
        The recipe's predictions for these images.
    num_classes
        The number of classes.
    """
    num_images = len(labels)
    rows = np.arange(num_images)
    votes = np.zeros((num_images, num_classes), dtype=np.int64)
    for predicted in recipe.predicted:
        votes[rows, predicted] += 1
    num_right = votes[rows, labels]

    wrong_votes = votes.copy()
    wrong_votes[rows, labels] = -1
    most = wrong_votes.max(axis=1) if num_classes > 1 else np.zeros(num_images, dtype=np.int64)
    if recipe.probabilities is None:
        usual = wrong_votes.argmax(axis=1)
        true_probability = np.full(num_images, np.nan)
        wrong_probability = np.full(num_images, np.nan)
    else:
        probability = recipe.probabilities.mean(axis=0, dtype=np.float64)
        usual = np.where(wrong_votes == most[:, None], probability, -1.0).argmax(axis=1)
        true_probability = probability[rows, labels]
        wrong_probability = probability[rows, usual]
    ever_wrong = num_right < recipe.num_seeds
    return ImageDifficulty(
        recipe=recipe.name,
        num_seeds=recipe.num_seeds,
        num_right=num_right,
        usual_wrong=np.where(ever_wrong, usual, NEVER_WRONG),
        num_usual_wrong=np.where(ever_wrong, most, 0),
        true_probability=true_probability,
        wrong_probability=np.where(ever_wrong, wrong_probability, np.nan),
    )


def image_difficulties(predictions: Predictions) -> tuple[ImageDifficulty, ...]:
    """Describe how every recipe's runs classify each image, in the study's order."""
    num_classes = len(predictions.class_names)
    return tuple(image_difficulty(predictions.labels, recipe, num_classes) for recipe in predictions.recipes)
