"""Scores of predicted probabilities: ranking (AUROC, average precision), top K, log-loss, Brier."""

from __future__ import annotations

from dataclasses import dataclass

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
    """Both, for ranking the images by each class takes most of the time of either."""
    found: list[int] = np.unique(labels).tolist()
    if len(found) < 2:
        raise ValueError("all images are of one class; ranking one class against the rest needs two")
    rankings = (rank_images(labels == label, probabilities[:, label]) for label in found)
    both = [(binary_auroc(ranking), binary_average_precision(ranking)) for ranking in rankings]
    return mean_of([area for area, _ in both]), mean_of([precision for _, precision in both])


@dataclass(frozen=True)
class Ranking:
    """Images ranked by their scores, positive ones against the others.

    Attributes
    ----------
    ranks
        int [num_images], 0 for the highest score; equal scores share one.
    positive
        int [num_positive], which images are positive.
    num_images, num_positive
        int [num_ranks], how many of each there are at each rank.
    """

    ranks: NDArray[np.int64]
    positive: NDArray[np.int64]
    num_images: NDArray[np.int64]
    num_positive: NDArray[np.int64]


def rank_images(positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> Ranking:
    """Rank images by their scores.

    Parameters
    ----------
    positive
        bool [num_images], some True and some False.
    scores
        float [num_images], none negative.
    """
    # Such numbers are in the order of their bits. NumPy sorts 16 bits without comparing any: from the lowest
    # to the highest, this takes a quarter of the time of `argsort`. The absolute value of -0.0 has no sign.
    bits = ~np.abs(scores).view(f"u{scores.itemsize}")
    order = np.argsort(bits.astype(np.uint16), kind="stable")
    for lowest in range(16, 8 * scores.itemsize, 16):
        order = order[np.argsort((bits >> lowest).astype(np.uint16)[order], kind="stable")]
    ranked = bits[order]
    ranks = np.zeros(len(scores), np.int64)
    ranks[order[1:]] = np.cumsum(ranked[1:] != ranked[:-1])
    indices, num_images = np.flatnonzero(positive), np.bincount(ranks)
    return Ranking(ranks, indices, num_images, np.bincount(ranks[indices], minlength=len(num_images)))


def binary_auroc(ranking: Ranking) -> RunScore:
    """The probability that a positive image has a higher score than a negative one; ties count one half.

    The influence values are the images' placement values: the share of the other side that an image is on the
    right side of.
    """
    ranks, positive = ranking.ranks, ranking.positive

    def share_below(of_rank: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of these images, those of lower scores than each rank, and half of those of its own."""
        down_to_rank = np.cumsum(of_rank)
        total = down_to_rank[-1]
        share: NDArray[np.float64] = (2 * (total - down_to_rank) + of_rank) / (2 * total)
        return share

    of_positive = share_below(ranking.num_images - ranking.num_positive)[ranks[positive]]
    value = exact_mean(of_positive)
    influence = (1 - share_below(ranking.num_positive) - value)[ranks]  # of the negative images
    influence *= len(ranks) / (len(ranks) - len(positive))
    influence[positive] = (of_positive - value) * (len(ranks) / len(positive))
    return RunScore(value, influence)


def binary_average_precision(ranking: Ranking) -> RunScore:
    """The mean over positive images of the precision among images with at least their score.

    References
    ----------
    Su, W., Yuan, Y. and Zhu, M. (2015). A relationship between the average precision and the area under the
    ROC curve. ICTIR.
    """
    ranks, positive, num_ranks = ranking.ranks, ranking.positive, len(ranking.num_images)
    counted = np.flatnonzero(ranking.num_positive)  # the ranks at which there is a precision
    num_positive = ranking.num_positive[counted]
    at_least = np.cumsum(ranking.num_images)[counted]
    precision = np.cumsum(num_positive) / at_least
    terms = np.zeros(num_ranks)
    terms[counted] = precision * num_positive
    value = float(terms.sum() / len(positive))
    # An image is counted at its rank and at all lower ones: it changes the precision there.
    weight = num_positive / at_least
    gain = np.cumsum(weight[::-1])[::-1]
    loss = np.cumsum((weight * precision)[::-1])[::-1]
    of_rank = np.zeros(num_ranks)
    of_rank[: counted[-1] + 1] = np.repeat(-loss, np.diff(counted, prepend=-1))
    influence = of_rank[ranks]
    of_rank[counted] += precision - value + gain
    influence[positive] = of_rank[ranks[positive]]
    return RunScore(value, influence * (len(ranks) / len(positive)))
