"""The interval of a mean score, or of a difference of two recipes, over seeds and images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr

from bakeoff.analysis.crossed_variance import ScoreSummary, VarianceParts, variance_parts
from bakeoff.analysis.exact_sums import exact_mean

_ROUNDING = 1e-24
"""Variances below this are 0 that rounding has blurred; the smallest real one is about 1 / (S N)^2."""


@dataclass(frozen=True)
class CrossedInterval:
    """An estimate with its interval.

    Attributes
    ----------
    value
        The mean over seeds and images, or the difference of two; the score's unit.
    low, high
        Of the interval, inside what the score can reach.
    p
        That the expectation is 0: two-sided, from the same t as the interval.
    parts
        Of the variance.
    """

    value: float
    low: float
    high: float
    p: float
    parts: VarianceParts


def crossed_interval(
    scores: ScoreSummary,
    minus: ScoreSummary | None = None,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> CrossedInterval:
    """Estimate a recipe's mean score, or the difference of two, for seeds and images not yet drawn.

    value +- t((1 + confidence) / 2, df) sqrt(V), with V and df of `VarianceParts`, cut at what the score can
    reach. Where next to no image differs from the others, V says nothing about the images not seen: where
    none of N images behaves otherwise, Wilson's bound still allows a share w = z^2 / (N + z^2) of the
    population to do so, with any score. The interval therefore always holds (1 - w) value + w x [lowest,
    highest score]; this widens it only where about four images or fewer differ from the others. All images
    right gives [1 - w, 1], which is Wilson's interval.

    With one seed of a recipe its seed part is unknown and left out: the interval is about the trained model,
    not about the recipe (`parts.seeds_known`).

    Parameters
    ----------
    scores
        Of recipe B, or of the only recipe, from `summarise`.
    minus
        Of recipe A, the same images.
    confidence
        0..1.
    bounds
        Lowest and highest score an image can have (of one recipe). Where one is infinite, the bound above is
        left out.

    References
    ----------
    See `VarianceParts`. Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
    inference. Journal of the American Statistical Association 22(158), 209-212. Hanley, J. A. and
    Lippman-Hand, A. (1983). If nothing goes wrong, is everything all right? JAMA 249(13), 1743-1745.
    """
    parts = variance_parts(scores, minus)
    value = exact_mean(scores.image_means) - (0.0 if minus is None else exact_mean(minus.image_means))
    lowest, highest = bounds if minus is None else (bounds[0] - bounds[1], bounds[1] - bounds[0])
    half = parts.half_width(confidence)
    low, high = value - half, value + half
    if np.isfinite(highest - lowest):
        squared = float(ndtri((1 + confidence) / 2)) ** 2
        unseen = squared / (parts.num_images + squared)
        low = min(low, (1 - unseen) * value + unseen * lowest)
        high = max(high, (1 - unseen) * value + unseen * highest)
    return CrossedInterval(value, max(low, lowest), min(high, highest), _p_value(value, parts), parts)


def _p_value(value: float, parts: VarianceParts) -> float:
    if parts.variance > _ROUNDING:
        return float(2 * stdtr(parts.degrees_of_freedom, -abs(value) / np.sqrt(parts.variance)))
    # All images differ alike: the sign test over images still knows how improbable that is.
    return 1.0 if value == 0 else float(2.0 ** (1 - parts.num_images))
