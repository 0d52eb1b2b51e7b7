"""How many more seeds or test images would probably settle an undecided difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from scipy.special import chdtri, ndtr, ndtri, stdtrit

from bakeoff.analysis.statistics.crossed import ROUNDING, CrossedInterval, VarianceParts

ENOUGH = 0.8
"""The chance of a verdict that is asked for."""

PRIOR_MARGINS = 2.0
"""Standard deviation of the true difference before anything was measured, in margins."""

SPREADS = 16
"""Values of the seed part that a chance is averaged over."""

ENOUGH_SEEDS = 5
"""Seeds that show how much the runs of a recipe vary: fewer are never said to be enough."""

SEEDS = (*range(ENOUGH_SEEDS, 21), 25, 30, 40, 50, 60, 80, 100)

TIMES_IMAGES = (1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)


@dataclass(frozen=True)
class Chances:
    """The probability of each verdict, 0..1; what is left is that the pair stays undecided."""

    better: float
    worse: float
    equivalent: float

    @property
    def any(self) -> float:
        """Of a verdict."""
        return self.better + self.worse + self.equivalent


@dataclass(frozen=True)
class WhatItTakes:
    """The numbers with which an undecided difference gets a verdict with a chance of `ENOUGH`.

    Attributes
    ----------
    seeds_needed
        Seeds per recipe, with the current test images; None if no number is enough, or if a recipe has one
        seed, because the variation between seeds is then unknown.
    image_half_width
        The half-width that the test images, and training sets that overlap, leave with any number of seeds;
        None with one seed.
    images_needed, images_needed_seeds
        If no number of seeds is enough: test images, and seeds per recipe with them. Without any variance,
        the images with which recipes whose scores still do not differ would be equivalent, and no seeds.
    chances
        With these numbers; the best of all that were tried if none is enough; None with one seed, or if there
        is no variance to predict from.
    """

    seeds_needed: int | None = None
    image_half_width: float | None = None
    images_needed: int | None = None
    images_needed_seeds: int | None = None
    chances: Chances | None = None


def what_it_takes(
    difference: CrossedInterval, *, margin: float, confidence: float, num_pairs: int = 1
) -> WhatItTakes:
    """Find the smallest number of seeds, or else of test images, that probably gives a verdict.

    Parameters
    ----------
    difference
        An undecided one.
    margin
        The smallest difference that matters, in the unit of the score.
    confidence
        Of the interval, 0..1.
    num_pairs
        Pairs tested together.
    """
    parts = difference.parts
    if not parts.seeds_known:
        return WhatItTakes()
    limit = image_half_width(parts, confidence)
    if parts.variance <= ROUNDING:
        return WhatItTakes(None, limit, _images_of_equals(difference, margin, confidence))
    best = Chances(0, 0, 0)
    for num_seeds, num_images in _candidates(parts):
        found = chances_of_verdict(
            difference, num_seeds, num_images, margin=margin, confidence=confidence, num_pairs=num_pairs
        )
        if found.any < ENOUGH:
            best = max(best, found, key=lambda chances: chances.any)
            continue
        if num_images == parts.num_images:
            return WhatItTakes(num_seeds, limit, chances=found)
        return WhatItTakes(None, limit, num_images, num_seeds, found)
    return WhatItTakes(None, limit, chances=best)


def _images_of_equals(difference: CrossedInterval, margin: float, confidence: float) -> int | None:
    """Images with which Wilson's bound for what was not seen, z^2 / (N + z^2) of the range, is the margin."""
    if difference.value or not margin:
        return None
    squared = float(ndtri((1 + confidence) / 2)) ** 2
    number = difference.high * (difference.parts.num_images + squared) / margin - squared
    return max(ceil(number), difference.parts.num_images)


def _candidates(parts: VarianceParts) -> Iterator[tuple[int, int]]:
    """Seeds and images, in the order of what is tried first: more seeds, then more images."""
    most = max(parts.num_seeds)
    more = [count for count in SEEDS if count > most]
    for num_seeds in more:
        yield num_seeds, parts.num_images
    for times in TIMES_IMAGES:
        counts = {max(most, ENOUGH_SEEDS), *(count for count in more if count <= max(5 * most, 20))}
        for num_seeds in sorted(counts):
            yield num_seeds, round(times * parts.num_images)


def chances_of_verdict(
    difference: CrossedInterval,
    num_seeds: int,
    num_images: int,
    *,
    margin: float,
    confidence: float,
    num_pairs: int = 1,
) -> Chances:
    """Estimate how probable each verdict is once there are more seeds, or more images.

    The estimate d errs with variance V. Before, the true difference is taken to be normal about 0 with a
    standard deviation of `PRIOR_MARGINS` margins (variance T); after, its mean is m = d T / (T + V) and its
    variance v = T V / (T + V). With more seeds the error's variance is V', of which V' is shared with V,
    since the new estimate contains the old one: the new estimate has the mean m + (V' / V)(d - m) and the
    variance (1 - V' / V)^2 v + V' (1 - V' / V). With the same images their part of the error stays: it is
    taken out of V and V' and added to T. The verdict follows from the new estimate and the half-width
    predicted by `VarianceParts.at`.

    Few seeds do not say how much seeds vary. The chances are means over `SPREADS` equally probable values of
    the seed part: as it is now times f / chi^2(f), with its f degrees of freedom. The larger half-width
    is predicted with a mean of both, since that study's estimate of the seed part contains the present one.

    Parameters
    ----------
    difference
        As it is now.
    num_seeds, num_images
        Of the larger study, which contains this one.
    margin
        In the unit of the score.
    confidence
        Of the interval, 0..1.
    num_pairs
        Pairs tested together: a winner needs a p-value below (1 - confidence) / num_pairs.

    References
    ----------
    Spiegelhalter, D. J., Freedman, L. S. and Blackburn, P. R. (1986). Monitoring clinical trials: conditional
    or predictive power? Controlled Clinical Trials 7(1), 8-17.
    """
    parts = difference.parts
    same_images = num_images == parts.num_images
    degrees = parts.seed_degrees_of_freedom
    known = min((min(parts.num_seeds) - 1) / max(num_seeds - 1, 1), 1.0)  # share of the larger study's
    chances = []
    for tail in (np.arange(SPREADS) + 0.5) / SPREADS:
        ratio = degrees / float(chdtri(degrees, tail))
        real, measured = _seeds_times(parts, ratio), _seeds_times(parts, known + (1 - known) * ratio)
        of_images = parts.image_component / num_images if same_images else 0.0
        now = max(real.variance - of_images, 1e-30)
        then = min(max(real.at(num_seeds, num_images).variance - of_images, 0.0), now)
        mean, spread = _larger_estimate(
            difference.value, before=(PRIOR_MARGINS * margin) ** 2 + of_images, now=now, then=then
        )
        larger = measured.at(num_seeds, num_images)
        half = larger.half_width(confidence)
        clear = larger.half_width(1 - (1 - confidence) / num_pairs)
        alike = min(margin - half, clear)  # a clear difference inside the margin is a winner
        equivalent = ndtr((alike - mean) / spread) - ndtr((-alike - mean) / spread) if alike > 0 else 0.0
        chances.append((ndtr((mean - clear) / spread), ndtr((-clear - mean) / spread), equivalent))
    return Chances(*map(float, np.mean(chances, axis=0)))


def _seeds_times(parts: VarianceParts, ratio: float) -> VarianceParts:
    """With seed parts so many times as large."""
    return replace(parts, seed=tuple(ratio * seed for seed in parts.seed))


def _larger_estimate(value: float, *, before: float, now: float, then: float) -> tuple[float, float]:
    """Mean and standard deviation of the estimate of a study that contains the present one.

    From the present estimate, the prior variance, and the error's variance in both studies.
    """
    kept = then / now
    mean = value * before / (before + now)
    variance = (1 - kept) ** 2 * before * now / (before + now) + then * (1 - kept)
    return mean + kept * (value - mean), max(float(np.sqrt(variance)), 1e-15)


def image_half_width(parts: VarianceParts, confidence: float) -> float:
    """Half-width that the test images alone leave with any number of seeds: t(N - 1) sqrt(s_img / N).

    Where runs draw their training images from a pool, the part of the pool is added, with its own quantile.
    """
    image, seeds = (
        float(stdtrit(degrees, (1 + confidence) / 2))
        for degrees in (max(parts.num_images - 1, 1), parts.seed_degrees_of_freedom)
    )
    pool = sum(parts.pool)
    if not pool:
        return image * float(np.sqrt(parts.image_component / parts.num_images))
    return float(np.sqrt(image**2 * parts.image_component / parts.num_images + seeds**2 * pool))
