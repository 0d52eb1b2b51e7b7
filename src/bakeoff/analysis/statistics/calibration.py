"""Calibration: whether predictions with confidence p are right with frequency p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.statistics.crossed import CrossedInterval, crossed_interval, summarize_scores
from bakeoff.analysis.statistics.exact_sums import exact_mean, exact_sum

NUM_BINS = 15

SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of about the same confidence, all runs together.

    Attributes
    ----------
    num_predictions
        The number of predictions of all runs.
    confidence
        Mean probability of the predicted class, 0..1.
    accuracy
        The share of correct predictions, 0..1.
    interval
        Of the accuracy, over seeds and images.
    """

    num_predictions: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """Calibration scores of one recipe, with intervals over seeds and images.

    Attributes
    ----------
    ece, brier, log_loss
        Means over seeds; `ece` 0..1, `brier` 0..2, `log_loss` in nats.
    ece_if_calibrated
        The ECE to be expected of perfectly calibrated runs with these confidences on as many images. It is
        not 0, because the ECE of a finite sample overestimates the true one; so it has no interval.
    gap
        Mean confidence minus accuracy, -1..1: above 0, the runs are overconfident.
    gap_interval, brier_interval, log_loss_interval
        Over seeds and images.
    bins
        For the reliability plot, ascending in confidence.
    """

    ece: float
    ece_if_calibrated: float
    gap: float
    gap_interval: tuple[float, float]
    brier: float
    brier_interval: tuple[float, float]
    log_loss: float
    log_loss_interval: tuple[float, float]
    bins: tuple[ReliabilityBin, ...]


def brier_scores(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the Brier score of each image in its multi-class form, sum_c (p_c - [c is the label])^2, 0..2.

    For two classes, this is twice the two-class form of some libraries.

    Parameters
    ----------
    probabilities
        float [num_seeds, num_images, num_classes].
    labels
        int [num_images].

    Returns
    -------
    float [num_seeds, num_images]

    References
    ----------
    Brier, G. W. (1950). Verification of forecasts expressed in terms of probability. Monthly Weather Review
    78(1), 1-3.
    """
    squares: NDArray[np.float64] = np.einsum("snc,snc->sn", probabilities, probabilities, dtype=np.float64)
    return squares + 1 - 2 * _of_class(probabilities, labels[None, :])


def log_losses(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the log-loss of each image, -ln p(label), in nats; p is clipped at the float32 epsilon, 1.2e-7.

    Parameters
    ----------
    probabilities
        float [num_seeds, num_images, num_classes].
    labels
        int [num_images].

    Returns
    -------
    float [num_seeds, num_images]
        0..15.9.

    References
    ----------
    Good, I. J. (1952). Rational decisions. Journal of the Royal Statistical Society B 14(1), 107-114.
    """
    probability = _of_class(probabilities, labels[None, :])
    losses: NDArray[np.float64] = -np.log(np.clip(probability, SMALLEST_PROBABILITY, 1))
    return losses


def equal_mass_bins(confidence: NDArray[np.float64], num_bins: int = NUM_BINS) -> NDArray[np.int8]:
    """Assign predictions to bins of about equal size, by confidence.

    Equal confidences share a bin, so that the order of images does not matter.

    Parameters
    ----------
    confidence
        float [num_predictions], the probability of the predicted class.
    num_bins
        At most 127.

    Returns
    -------
    int8 [num_predictions]
        0..num_bins - 1.
    """
    last = np.maximum(np.ceil(np.arange(1, num_bins) * len(confidence) / num_bins).astype(int) - 1, 0)
    bins = np.zeros(len(confidence), np.int8)
    for edge in np.partition(confidence, last)[last]:
        bins += confidence > edge  # for so few edges, faster than a search
    return bins


def calibration_gaps(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: NDArray[np.int8]
) -> NDArray[np.float64]:
    """Compute per-image scores of one run whose mean is its expected calibration error.

    ECE = sum_b (n_b / N) |accuracy_b - confidence_b| over bins of equal mass. Image i in bin b contributes
    sign(accuracy_b - confidence_b) x (right_i - confidence_i); the mean of these is the ECE. The ECE of a
    finite sample overestimates the true calibration error, most for small samples: see
    `expected_if_calibrated`.

    Parameters
    ----------
    confidence, correct, bins
        float, bool and, from `equal_mass_bins`, int8 [num_images].

    Returns
    -------
    float [num_images]
        -1..1.

    References
    ----------
    Guo, C. et al. (2017). On calibration of modern neural networks. ICML. Nixon, J. et al. (2019). Measuring
    calibration in deep learning. CVPR workshops (bins of equal mass).
    """
    gap = correct - confidence
    # Exact: the order of the images and rounding must not determine the sign of a gap of 0.
    signs = np.sign([exact_sum(gap[bins == number]) for number in range(int(bins.max()) + 1)])
    gaps: NDArray[np.float64] = signs[bins] * gap
    return gaps


def expected_if_calibrated(confidence: NDArray[np.float64], bins: NDArray[np.int8]) -> float:
    """The ECE to be expected of one run if each prediction is right with the probability of its confidence.

    The gap of a bin is then approximately normal with the variance sum c_i (1 - c_i) / n_b^2, and its mean
    absolute value is sqrt(2 / pi) standard deviations.

    Parameters
    ----------
    confidence, bins
        float and, from `equal_mass_bins`, int8 [num_images].
    """
    variances = np.bincount(bins, weights=confidence * (1 - confidence))
    return float(np.sqrt(2 / np.pi) * np.sqrt(np.maximum(variances, 0)).sum() / len(confidence))


def calibration(
    probabilities: NDArray[np.float32],
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    confidence: float = 0.95,
    groups: NDArray[np.int64] | None = None,
    overlap: float = 0.0,
) -> Calibration:
    """Measure the calibration of one recipe's runs.

    Parameters
    ----------
    probabilities
        float32 [num_seeds, num_images, num_classes].
    predicted
        int [num_seeds, num_images].
    labels
        int [num_images].
    confidence
        Of the intervals, 0..1.
    groups
        int [num_images], which images belong together; None if each stands for itself.
    overlap
        Of the runs' training images, see `bakeoff.analysis.statistics.crossed`.
    """
    correct = predicted == labels
    top = _of_class(probabilities, predicted)
    bins = [equal_mass_bins(run) for run in top]
    gaps = np.stack([calibration_gaps(*run) for run in zip(top, correct, bins, strict=True)])
    if_calibrated = [expected_if_calibrated(*run) for run in zip(top, bins, strict=True)]

    def interval(scores: NDArray[np.float64], highest: float, lowest: float = 0.0) -> CrossedInterval:
        return crossed_interval(
            summarize_scores(scores, groups, overlap), confidence=confidence, bounds=(lowest, highest)
        )

    gap = interval(top - correct, 1.0, -1.0)
    brier = interval(brier_scores(probabilities, labels), 2.0)
    # No upper bound: it would widen the interval for a loss of 15.9 that hardly any image has.
    log_loss = interval(log_losses(probabilities, labels), np.inf)
    return Calibration(
        ece=exact_mean(gaps.mean(axis=1)),
        ece_if_calibrated=exact_mean(np.array(if_calibrated)),
        gap=gap.value,
        gap_interval=(gap.low, gap.high),
        brier=brier.value,
        brier_interval=(brier.low, brier.high),
        log_loss=log_loss.value,
        log_loss_interval=(log_loss.low, log_loss.high),
        bins=_reliability(top, correct, confidence, groups, overlap),
    )


def _reliability(
    top: NDArray[np.float64],
    correct: NDArray[np.bool_],
    confidence: float,
    groups: NDArray[np.int64] | None,
    overlap: float,
) -> tuple[ReliabilityBin, ...]:
    """Accuracy of a bin is a ratio of two means; its interval is that of the linearized ratio."""
    bins = equal_mass_bins(top.ravel()).reshape(top.shape)
    reliability = []
    for number in np.unique(bins):
        in_bin = bins == number
        images = in_bin.any(axis=0)
        inside, right = in_bin[:, images], correct[in_bin]
        accuracy = float(right.mean())
        ratio = np.full(inside.shape, accuracy)
        ratio[inside] += (right - accuracy) / inside.mean()
        of_bin = summarize_scores(ratio, None if groups is None else groups[images], overlap)
        interval = crossed_interval(of_bin, confidence=confidence)
        reliability.append(
            ReliabilityBin(
                num_predictions=int(inside.sum()),
                confidence=exact_mean(top[in_bin]),
                accuracy=accuracy,
                interval=(interval.low, interval.high),
            )
        )
    return tuple(reliability)


def _of_class(probabilities: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probability of the given class for each prediction, float64 [num_seeds, num_images]."""
    index = np.broadcast_to(classes, probabilities.shape[:2])[..., None]
    return np.take_along_axis(probabilities, index, axis=2)[..., 0].astype(np.float64)
