"""How many seeds, or test images, would bring an interval down to the margin."""

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
    """What would bring the half-width of an interval to the margin.

    Attributes
    ----------
    seeds_needed
        Fewest seeds a recipe, with the test images there are; None where up to `MAX_SEEDS` cannot, or where a
        recipe has one seed, so that nothing is known about seeds.
    image_half_width
        What the test images alone leave, however many seeds there are; None with one seed.
    images_needed
        Where no number of seeds can: fewest test images, with `images_needed_seeds` seeds a recipe.
    images_needed_seeds
        The seeds there are (the fewer of two), or more where these alone leave too much.
    """

    seeds_needed: int | None = None
    image_half_width: float | None = None
    images_needed: int | None = None
    images_needed_seeds: int | None = None


def what_it_takes(parts: VarianceParts, *, margin: float, confidence: float) -> WhatItTakes:
    """Predict what would bring the half-width of an interval to the margin.

    With S seeds a recipe and N images, V(S, N) = s_img / N + sum_k (s_seed,k / S + s_res,k / (S N)), the
    components taken from the parts as they are now (s_res,k = S_k N V_res,k;
    s_seed,k = S_k (V_seed,k - V_res,k); s_img = N (V_img - sum V_res,k); none below 0), and t with the
    degrees of freedom that S and N give. The components are estimates, from few seeds rough ones: the answer
    is an order of magnitude.

    A half-width at the margin decides every difference of at least the margin, and the equivalence of recipes
    that do not differ.

    Parameters
    ----------
    parts
        Of the variance of the difference.
    margin
        The half-width wished for, the score's unit.
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

    here = min(parts.num_seeds)
    images = _smallest(lambda count: half_width(here, count) <= margin, num_images, MAX_IMAGES)
    if images is None:
        # Half of the variance allowed goes to the seeds, the rest to the images.
        allowed = margin / np.sqrt(2)
        enough = _smallest(lambda count: half_width(count, MAX_IMAGES) <= allowed, here, MAX_SEEDS)
        if enough is None:
            return WhatItTakes(None, limit)
        here = enough
        images = _smallest(lambda count: half_width(here, count) <= margin, num_images, MAX_IMAGES)
    return WhatItTakes(None, limit, images, here)


def image_half_width(parts: VarianceParts, confidence: float) -> float:
    """Half-width that the test images alone leave however many seeds there are: t(N - 1) sqrt(s_img / N)."""
    quantile = float(stdtrit(max(parts.num_images - 1, 1), (1 + confidence) / 2))
    return quantile * float(np.sqrt(parts.image_component / parts.num_images))


def _smallest(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """Bisect for the smallest number from which `holds` is true; None if it is false up to `high`."""
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
