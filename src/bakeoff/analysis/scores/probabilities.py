"""Scores of predicted probabilities: ranking (AUROC, average precision), top K, log-loss, Brier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.scores.run_score import RunScore, mean_of, mean_score
from bakeoff.analysis.statistics.calibration import brier_scores, log_losses
from bakeoff.analysis.statistics.exact_sums import exact_mean

Classes = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def top_k(labels: Classes, probabilities: Probabilities, k: int) -> RunScore:
    """The share of images whose label is among the K most probable classes.

    Of equally probable classes the later one comes first, as in scikit-learn.
    """
    most = np.argsort(probabilities, axis=1, kind="stable")[:, ::-1][:, :k]
    return mean_score((most == labels[:, None]).any(axis=1))


def log_loss(labels: Classes, probabilities: Probabilities) -> RunScore:
    """The mean of -ln p(label), see `log_losses`."""
    return mean_score(log_losses(probabilities[None], labels)[0])


def brier(labels: Classes, probabilities: Probabilities) -> RunScore:
    """The mean Brier score over all classes, 0..2, see `brier_scores`."""
    return mean_score(brier_scores(probabilities[None], labels)[0])


def auroc(labels: Classes, probabilities: Probabilities) -> RunScore:
    """The mean over classes with images of the area under the ROC curve, one class against the rest.

    With two classes, both have the same area.

    Raises
    ------
    ValueError
        If the images are all of one class.

    References
    ----------
    DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988). Comparing the areas under two or more
    correlated receiver operating characteristic curves. Biometrics 44(3), 837-845.
    """
    return mean_of([binary_auroc(labels == label, probabilities[:, label]) for label in _two_or_more(labels)])


def average_precision(labels: Classes, probabilities: Probabilities) -> RunScore:
    """The mean over classes with images of the average precision, one class against the rest.

    Raises
    ------
    ValueError
        If the images are all of one class.
    """
    return mean_of(
        [binary_average_precision(labels == label, probabilities[:, label]) for label in _two_or_more(labels)]
    )


def binary_auroc(positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> RunScore:
    """The probability that a positive image has a higher score than a negative one; ties count one half.

    The influence values are the images' placement values: the share of the other side that an image is on the
    right side of.

    Parameters
    ----------
    positive
        bool [num_images], some True and some False.
    scores
        float [num_images].
    """
    placements = np.empty(len(scores))
    for side in (True, False):
        own, others = scores[positive == side], np.sort(scores[positive != side])
        below, not_above = np.searchsorted(others, own, "left"), np.searchsorted(others, own, "right")
        share_below = (below + not_above) / (2 * len(others))
        placements[positive == side] = share_below if side else 1 - share_below
    value = exact_mean(placements[positive])
    counts = np.where(positive, positive.sum(), (~positive).sum())
    return RunScore(value, (placements - value) * (len(scores) / counts))


def binary_average_precision(positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> RunScore:
    """The mean over positive images of the precision among images with at least their score.

    Parameters
    ----------
    positive
        bool [num_images], with some True.
    scores
        float [num_images].

    References
    ----------
    Su, W., Yuan, Y. and Zhu, M. (2015). A relationship between the average precision and the area under the
    ROC curve. ICTIR.
    """
    _, level = np.unique(-scores, return_inverse=True)  # 0 for the highest score
    of_level = np.bincount(level)
    right_of_level = np.bincount(level, positive)
    at_least, right_at_least = np.cumsum(of_level), np.cumsum(right_of_level)
    precision = right_at_least / at_least
    num_positive = right_at_least[-1]
    value = float((precision * right_of_level).sum() / num_positive)
    # An image is counted at its level and at all lower ones: it changes the precision there.
    weight = right_of_level / at_least
    gain = np.cumsum(weight[::-1])[::-1]
    loss = np.cumsum((weight * precision)[::-1])[::-1]
    influence = positive * (precision[level] - value) + positive * gain[level] - loss[level]
    return RunScore(value, influence * (len(scores) / num_positive))


def _two_or_more(labels: Classes) -> list[int]:
    found: list[int] = np.unique(labels).tolist()
    if len(found) < 2:
        raise ValueError("all images are of one class; ranking one class against the rest needs two")
    return found
