"""What more training images would probably give: a power law through the scores, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, digamma

MOST_TIMES = 2.0
"""No prediction is made for more than this many times the largest number of training images."""

FEWEST_SIZES = 3
"""A power law has three parameters."""

EXPONENTS = np.geomspace(0.05, 2.0, 40)
"""The values of c that are averaged over, equally probable beforehand."""

MISFIT = 0.25
"""How far real curves stray from a power law: standard deviation as a share of the gain that is predicted."""

SMALLEST = 1e-8
"""Of a variance over runs: a hundredth of a point, squared."""

_NOISES, _DRAWS = 48, 64


@dataclass(frozen=True)
class Prediction:
    """The mean score that as many runs with more training images would have, on the same test images.

    Attributes
    ----------
    num_train
        The number of training images.
    value
        Median of the prediction, in the unit of the score.
    low, high
        Interval.
    """

    num_train: int
    value: float
    low: float
    high: float


def predict_score(
    num_train: Sequence[float],
    scores: Sequence[NDArray[np.float64]],
    at: float,
    *,
    higher_is_better: bool = True,
    bounds: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.95,
) -> Prediction | None:
    """Predict the mean score of runs with more training images.

    The mean score with n images is taken as a + b n^-c: it improves with n, and a is within the range of the
    score. For each c of `EXPONENTS` the curve is fitted by least squares, each size weighted by the variance
    of its mean over runs; this is smoothed over sizes, because few runs tell little of it. The interval is
    that of the mixture over c, by likelihood, and over the uncertainty of the variance (chi-squared), with
    the noise of the predicted runs, and with `MISFIT` times the predicted gain as the distance of real curves
    from a power law. The scores at the smallest and the largest size, not a and b, are equally probable
    beforehand.

    Parameters
    ----------
    num_train
        The numbers of training images, ascending.
    scores
        For each of them the scores of its runs.
    at
        The number to predict for, above the largest and at most `MOST_TIMES` that.
    higher_is_better, bounds
        Of the score.
    confidence
        Of the interval, 0..1.

    Returns
    -------
    Prediction or None
        None with fewer than `FEWEST_SIZES` sizes, or if a size has fewer than two runs.

    Raises
    ------
    ValueError
        If `at` is out of range.
    """
    sizes = np.asarray(num_train, np.float64)
    if len(sizes) < FEWEST_SIZES or min(map(len, scores)) < 2:
        return None
    if not sizes[-1] < at <= MOST_TIMES * sizes[-1]:
        raise ValueError(f"a prediction for {at:g} images from up to {sizes[-1]:g} is out of range")
    sign = 1.0 if higher_is_better else -1.0
    best = sign * (bounds[1] if higher_is_better else bounds[0])
    means = sign * np.array([float(np.mean(runs)) for runs in scores])
    numbers = np.array([len(runs) for runs in scores])
    variance_of_run = _variances(sizes, scores)
    variances = variance_of_run(sizes) / numbers
    noise = float(variance_of_run(np.array([at]))[0]) / float(numbers.min())
    degrees = int((numbers - 1).sum())
    ratios = degrees / chdtri(degrees, (np.arange(_NOISES) + 0.5) / _NOISES)
    rng = np.random.Generator(np.random.PCG64(0))  # the same scores give the same prediction
    predicted, weights = [], []
    for exponent in EXPONENTS:
        powers = (sizes / sizes[-1]) ** -exponent
        at_smallest = (powers - 1) / (powers[0] - 1)  # 1 at the smallest size, 0 at the largest
        design = np.stack([at_smallest, 1 - at_smallest], axis=1)
        covariance = np.linalg.inv(design.T @ (design / variances[:, None]))
        fitted = covariance @ (design.T @ (means / variances))
        misfit = float(((means - design @ fitted) ** 2 / variances).sum())
        likelihood = np.exp(-misfit / (2 * ratios)) * ratios ** (1 - len(sizes) / 2)
        likelihood = likelihood * np.sqrt(np.linalg.det(covariance))
        normal = rng.normal(size=(_NOISES, _DRAWS, 4))
        drawn = normal[:, :, :2] @ np.linalg.cholesky(covariance).T
        ends = fitted + np.sqrt(ratios)[:, None, None] * drawn
        smallest, largest = ends[:, :, 0], ends[:, :, 1]
        slope = (largest - smallest) / (powers[0] - 1)  # -b times the largest size to the power of -c
        gain = slope * (1 - (at / sizes[-1]) ** -exponent)
        score = largest + gain * (1 + MISFIT * normal[:, :, 2])
        score = score + np.sqrt(ratios * noise)[:, None] * normal[:, :, 3]
        predicted.append(score.ravel())
        weights.append((likelihood[:, None] * ((slope >= 0) & (largest + slope <= best))).ravel())
    values, chances = np.concatenate(predicted), np.concatenate(weights)
    if chances.sum() <= 0:  # the scores do not improve with the images: then as they are with the most
        spread = np.sqrt(np.repeat(ratios, _DRAWS) * (noise + variances[-1]))
        values = means[-1] + spread * rng.normal(size=_NOISES * _DRAWS)
        chances = np.ones_like(values)
    order = np.argsort(values)
    shares = (np.cumsum(chances[order]) - chances[order] / 2) / chances.sum()
    tails = [(1 - confidence) / 2, 0.5, (1 + confidence) / 2]
    ends_of_score = sorted(np.clip(sign * np.interp(tails, shares, values[order]), *bounds).tolist())
    low, middle, high = ends_of_score
    return Prediction(round(at), middle, low, high)


def _variances(
    sizes: NDArray[np.float64], scores: Sequence[NDArray[np.float64]]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """The variance of the score of a run as a function of the number of images: v n^-k, with k in 0..2."""
    own = np.array([float(np.var(runs, ddof=1)) for runs in scores])
    half = np.array([(len(runs) - 1) / 2 for runs in scores])
    # Runs on all images may have no variance: those of a trainer that draws nothing.
    logs = np.log(np.maximum(own, max(0.05 * float(np.median(own)), SMALLEST)))
    logs -= digamma(half) - np.log(half)  # the expected logarithm of such an estimate
    of_size = np.log(sizes)
    slope = float(np.clip(np.polyfit(of_size, logs, 1)[0], -2.0, 0.0))
    level = float((logs - slope * of_size).mean())

    def variance(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.exp(level + slope * np.log(numbers))
        return found

    return variance
