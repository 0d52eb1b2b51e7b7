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
    return auroc_and_average_precision(labels, probabilities)[0]


def average_precision(labels: Classes, probabilities: Probabilities) -> RunScore:
    """The mean over classes with images of the average precision, one class against the rest.

    Raises
    ------
    ValueError
        If the images are all of one class.
    """
    return auroc_and_average_precision(labels, probabilities)[1]


def auroc_and_average_precision(labels: Classes, probabilities: Probabilities) -> tuple[RunScore, RunScore]:
    """Both, for ranking the images by each class takes nearly all of the time of either."""
    found: list[int] = np.unique(labels).tolist()
    if len(found) < 2:
        raise ValueError("all images are of one class; ranking one class against the rest needs two")
    classes = [(labels == label, ranks(probabilities[:, label])) for label in found]
    return mean_of([binary_auroc(*each) for each in classes]), mean_of(
        [binary_average_precision(*each) for each in classes]
    )


def ranks(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """The rank of each score, int [num_images], 0 for the highest; equal scores share one."""
    descending = -scores
    order = np.argsort(descending)
    ranked = descending[order]
    found = np.zeros(len(scores), np.int64)
    found[order[1:]] = np.cumsum(ranked[1:] != ranked[:-1])
    return found


def binary_auroc(positive: NDArray[np.bool_], rank: NDArray[np.int64]) -> RunScore:
    """The probability that a positive image has a higher score than a negative one; ties count one half.

    The influence values are the images' placement values: the share of the other side that an image is on the
    right side of.

    Parameters
    ----------
    positive
        bool [num_images], some True and some False.
    rank
        int [num_images], of their scores, from `ranks`.
    """
    right_of_rank = np.bincount(rank[positive], minlength=rank.max() + 1)
    wrong_of_rank = np.bincount(rank) - right_of_rank

    def share_below(of_rank: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of these images, those of lower scores than each rank, and half of those of its own."""
        below = of_rank.sum() - np.cumsum(of_rank)
        share: NDArray[np.float64] = (2 * below + of_rank) / (2 * of_rank.sum())
        return share

    placements = np.where(positive, share_below(wrong_of_rank)[rank], 1 - share_below(right_of_rank)[rank])
    value = exact_mean(placements[positive])
    counts = np.where(positive, positive.sum(), (~positive).sum())
    return RunScore(value, (placements - value) * (len(rank) / counts))


def binary_average_precision(positive: NDArray[np.bool_], rank: NDArray[np.int64]) -> RunScore:
    """The mean over positive images of the precision among images with at least their score.

    Parameters
    ----------
    positive
        bool [num_images], with some True.
    rank
        int [num_images], of their scores, from `ranks`.

    References
    ----------
    Su, W., Yuan, Y. and Zhu, M. (2015). A relationship between the average precision and the area under the
    ROC curve. ICTIR.
    """
    of_rank = np.bincount(rank)
    right_of_rank = np.bincount(rank[positive], minlength=len(of_rank))
    at_least, right_at_least = np.cumsum(of_rank), np.cumsum(right_of_rank)
    precision = right_at_least / at_least
    num_positive = right_at_least[-1]
    value = float((precision * right_of_rank).sum() / num_positive)
    # An image is counted at its rank and at all lower ones: it changes the precision there.
    weight = right_of_rank / at_least
    gain = np.cumsum(weight[::-1])[::-1]
    loss = np.cumsum((weight * precision)[::-1])[::-1]
    influence = positive * (precision[rank] - value) + positive * gain[rank] - loss[rank]
    return RunScore(value, influence * (len(rank) / num_positive))
