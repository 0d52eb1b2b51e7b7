"""How many more seeds or test images would reduce an interval to the margin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from bakeoff.analysis.statistics.crossed import VarianceParts

MAX_SEEDS = 1_000

MAX_IMAGES = 10**9


@dataclass(frozen=True)
class WhatItTakes:
    """The numbers that would reduce the half-width of an interval to the margin.

    Attributes
    ----------
    seeds_needed
        The smallest number of seeds per recipe, with the current test images; None if `MAX_SEEDS` are not
        enough, or if a recipe has one seed, because the variation between seeds is then unknown.
    image_half_width
        The half-width that the test images alone leave with any number of seeds; None with one seed.
    images_needed
        If no number of seeds is enough: the smallest number of test images, with `images_needed_seeds` seeds
        per recipe.
    images_needed_seeds
        The current number of seeds (the smaller of two), or more if the seeds alone leave too much.
    """

    seeds_needed: int | None = None
    image_half_width: float | None = None
    images_needed: int | None = None
    images_needed_seeds: int | None = None


def what_it_takes(parts: VarianceParts, *, margin: float, confidence: float) -> WhatItTakes:
    """Estimate what would reduce the half-width of an interval to the margin.

    With S seeds per recipe and N images, V(S, N) = s_img / N + sum_k (s_seed,k / S + s_res,k / (S N)), the
    components taken from the parts as they are now (s_res,k = S_k N V_res,k; s_seed,k = S_k (V_seed,k -
    V_res,k); s_img = N (V_img - sum V_res,k); none below 0), and t with the degrees of freedom at S and N.
    Components estimated from few seeds are imprecise: the answer is an order of magnitude.

    With a half-width equal to the margin, every difference of at least the margin is decided, and so is the
    equivalence of recipes that do not differ.

    Parameters
    ----------
    parts
        Of the variance of the difference.
    margin
        The desired half-width, in the unit of the score.
    confidence
        Of the interval, 0..1.

    References
    ----------
    The variance components are those of `VarianceParts`; sizing a study by them is treated in Obuchowski,
    N. A. and Rockette, H. E. (1995), Communications in Statistics - Simulation and Computation 24(2),
    285-308.
    """
    if not parts.seeds_known:
        return WhatItTakes()

    def half_width(num_seeds: int, num_images: int) -> float:
        return parts.at(num_seeds, num_images).half_width(confidence)

    num_images = parts.num_images
    limit = image_half_width(parts, confidence)
    seeds = _smallest(lambda count: half_width(count, num_images) <= margin, 2, MAX_SEEDS)
    if seeds is not None:
        return WhatItTakes(seeds, limit)

    num_seeds = min(parts.num_seeds)
    images = _smallest(lambda count: half_width(num_seeds, count) <= margin, num_images, MAX_IMAGES)
    if images is None:
        # Half of the allowed variance is for the seeds, the rest for the images.
        allowed = margin / np.sqrt(2)
        enough = _smallest(lambda count: half_width(count, MAX_IMAGES) <= allowed, num_seeds, MAX_SEEDS)
        if enough is None:
            return WhatItTakes(None, limit)
        num_seeds = enough
        images = _smallest(lambda count: half_width(num_seeds, count) <= margin, num_images, MAX_IMAGES)
    return WhatItTakes(None, limit, images, num_seeds)


def image_half_width(parts: VarianceParts, confidence: float) -> float:
    """Half-width that the test images alone leave with any number of seeds: t(N - 1) sqrt(s_img / N)."""
    quantile = float(stdtrit(max(parts.num_images - 1, 1), (1 + confidence) / 2))
    return quantile * float(np.sqrt(parts.image_component / parts.num_images))


def _smallest(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """Find the smallest number from which on `holds` is true by bisection; None if `holds(high)` is false."""
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
