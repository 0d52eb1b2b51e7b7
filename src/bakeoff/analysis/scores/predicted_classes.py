"""Scores of predicted classes: balanced accuracy, and precision, recall and F1 of each class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.scores.run_score import RunScore, mean_of

Classes = NDArray[np.int64]


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> RunScore:
    """Sum of part / sum of whole, each float [num_images]; 0 where the whole is 0, as in scikit-learn."""
    total = float(whole.sum())
    if total == 0:
        return RunScore(0.0, np.zeros(len(part)))
    value = float(part.sum()) / total
    return RunScore(value, (part - value * whole) * (len(part) / total))


def recall(labels: Classes, predicted: Classes, of_class: int) -> RunScore:
    """The share of a class's images that are recognized."""
    of_label = labels == of_class
    return _ratio((of_label & (predicted == of_class)).astype(float), of_label.astype(float))


def precision(labels: Classes, predicted: Classes, of_class: int) -> RunScore:
    """The share of a class's predictions that are right; 0 if it is never predicted."""
    as_class = predicted == of_class
    return _ratio((as_class & (labels == of_class)).astype(float), as_class.astype(float))


def f1(labels: Classes, predicted: Classes, of_class: int) -> RunScore:
    """2 x right / (images of the class + predictions of it); 0 if there is neither."""
    of_label, as_class = labels == of_class, predicted == of_class
    return _ratio(2.0 * (of_label & as_class), of_label.astype(float) + as_class)


def balanced_accuracy(labels: Classes, predicted: Classes) -> RunScore:
    """The mean recall of the classes that have images.

    References
    ----------
    Brodersen, K. H. et al. (2010). The balanced accuracy and its posterior distribution. ICPR.
    """
    return mean_of([recall(labels, predicted, of_class) for of_class in np.unique(labels)])


def macro_f1(labels: Classes, predicted: Classes) -> RunScore:
    """The mean F1 of the classes that have images or predictions.

    References
    ----------
    Opitz, J. and Burst, S. (2019). Macro F1 and macro F1. arXiv:1911.03347.
    """
    return mean_of([f1(labels, predicted, of_class) for of_class in _occurring(labels, predicted)])


def _occurring(labels: Classes, predicted: Classes) -> Iterator[int]:
    yield from np.union1d(labels, predicted).tolist()
