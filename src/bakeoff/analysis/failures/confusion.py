"""Confusion matrices, and the accuracy of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.predictions import Predictions


@dataclass(frozen=True)
class RecipeConfusion:
    """The confusion matrices of one recipe's runs.

    Attributes
    ----------
    recipe
        The recipe's name.
    counts
        int [num_seeds, num_classes, num_classes], the number of images by true class (row) and predicted
        class (column).
    class_accuracy
        float [num_seeds, num_classes], 0..1; NaN for a class without images.
    """

    recipe: str
    counts: NDArray[np.int64]
    class_accuracy: NDArray[np.float64]

    @property
    def mean_counts(self) -> NDArray[np.float64]:
        """float [num_classes, num_classes], the mean over seeds."""
        mean: NDArray[np.float64] = self.counts.mean(axis=0)
        return mean

    @property
    def class_accuracy_mean(self) -> NDArray[np.float64]:
        """float [num_classes], the mean over seeds."""
        mean: NDArray[np.float64] = self.class_accuracy.mean(axis=0)
        return mean

    @property
    def class_accuracy_sd(self) -> NDArray[np.float64]:
        """float [num_classes], the standard deviation over seeds (n - 1); NaN with one seed."""
        if len(self.class_accuracy) == 1:
            return np.full(self.class_accuracy.shape[1], np.nan)
        deviation: NDArray[np.float64] = self.class_accuracy.std(axis=0, ddof=1)
        return deviation


def confusion_counts(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Count images by true and predicted class in each run.

    Parameters
    ----------
    labels
        int [num_images], true classes.
    predicted
        int [num_seeds, num_images], predicted classes.
    num_classes
        The number of classes; every label and prediction is below it.

    Returns
    -------
    int [num_seeds, num_classes, num_classes]
        Rows are true classes, columns predicted classes.
    """
    num_seeds = len(predicted)
    num_cells = num_classes**2
    cells = labels * num_classes + predicted + np.arange(num_seeds)[:, None] * num_cells
    counts = np.bincount(cells.ravel(), minlength=num_seeds * num_cells)
    return counts.reshape(num_seeds, num_classes, num_classes).astype(np.int64)


def class_accuracies(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the share of each class's images that a run classifies correctly (recall).

    Parameters
    ----------
    counts
        int [num_seeds, num_classes, num_classes], from `confusion_counts`.

    Returns
    -------
    float [num_seeds, num_classes]
        0..1; NaN for a class without images.
    """
    right = np.diagonal(counts, axis1=1, axis2=2)
    num_images = counts.sum(axis=2)
    accuracy: NDArray[np.float64] = np.divide(
        right, num_images, out=np.full(right.shape, np.nan), where=num_images > 0
    )
    return accuracy


def row_shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each row by its sum [num_classes, num_classes]; 0 for a class without images."""
    totals = counts.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    return shares


def confusions(predictions: Predictions) -> tuple[RecipeConfusion, ...]:
    """Compute the confusion matrices of every recipe, in the study's order."""
    num_classes = len(predictions.class_names)
    matrices = []
    for recipe in predictions.recipes:
        counts = confusion_counts(predictions.labels, recipe.predicted, num_classes)
        matrices.append(RecipeConfusion(recipe.name, counts, class_accuracies(counts)))
    return tuple(matrices)
