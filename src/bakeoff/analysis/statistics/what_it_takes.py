"""How many more seeds or test images would probably settle an undecided difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
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
    for num_images, seeds in _candidates(parts):
        for num_seeds, chances in zip(
            seeds,
            chances_of_verdict(
                difference, seeds, num_images, margin=margin, confidence=confidence, num_pairs=num_pairs
            ),
            strict=True,
        ):
            if chances.any < ENOUGH:
                best = max(best, chances, key=lambda each: each.any)
            elif num_images == parts.num_images:
                return WhatItTakes(num_seeds, limit, chances=chances)
            else:
                return WhatItTakes(None, limit, num_images, num_seeds, chances)
    return WhatItTakes(None, limit, chances=best)


def _images_of_equals(difference: CrossedInterval, margin: float, confidence: float) -> int | None:
    """Images with which Wilson's bound for what was not seen, z^2 / (N + z^2) of the range, is the margin."""
    if difference.value or not margin:
        return None
    squared = float(ndtri((1 + confidence) / 2)) ** 2
    number = difference.high * (difference.parts.num_images + squared) / margin - squared
    return max(ceil(number), difference.parts.num_images)


def _candidates(parts: VarianceParts) -> Iterator[tuple[int, list[int]]]:
    """Images and seeds, in the order of what is tried first: more seeds, then more images."""
    most = max(parts.num_seeds)
    more = [count for count in SEEDS if count > most]
    yield parts.num_images, more
    few = {max(most, ENOUGH_SEEDS), *(count for count in more if count <= max(5 * most, 20))}
    for times in TIMES_IMAGES:
        yield round(times * parts.num_images), sorted(few)


def chances_of_verdict(
    difference: CrossedInterval,
    seeds: Sequence[int],
    num_images: int,
    *,
    margin: float,
    confidence: float,
    num_pairs: int = 1,
) -> list[Chances]:
    """Estimate how probable each verdict is once there are more seeds, or more images.

    The estimate d errs with variance V. Before, the true difference is taken to be normal about 0 with a
    standard deviation of `PRIOR_MARGINS` margins (variance T); after, its mean is m = d T / (T + V) and its
    variance v = T V / (T + V). With more seeds the error's variance is V', of which V' is shared with V,
    since the new estimate contains the old one: the new estimate has the mean m + (V' / V)(d - m) and the
    variance (1 - V' / V)^2 v + V' (1 - V' / V). With the same images their part of the error stays: it is
    taken out of V and V' and added to T. The verdict follows from the new estimate and the half-width
    predicted as by `VarianceParts.at`.

    Few seeds do not say how much seeds vary. The chances are means over `SPREADS` equally probable values of
    the seed part: as it is now times f / chi^2(f), with its f degrees of freedom. The larger half-width
    is predicted with a mean of both, since that study's estimate of the seed part contains the present one.

    Parameters
    ----------
    difference
        As it is now.
    seeds
        Numbers of seeds per recipe in larger studies, each of which contains this one.
    num_images
        In these studies.
    margin
        In the unit of the score.
    confidence
        Of the interval, 0..1.
    num_pairs
        Pairs tested together: a winner needs a p-value below (1 - confidence) / num_pairs.

    Returns
    -------
    list of Chances
        One for each number of seeds.

    References
    ----------
    Spiegelhalter, D. J., Freedman, L. S. and Blackburn, P. R. (1986). Monitoring clinical trials: conditional
    or predictive power? Controlled Clinical Trials 7(1), 8-17.
    """
    parts = difference.parts
    degrees = parts.seed_degrees_of_freedom
    ratio = np.asarray(degrees / chdtri(degrees, (np.arange(SPREADS) + 0.5) / SPREADS), np.float64)
    more = np.array(seeds, np.float64)[:, None]  # axes of all that follows: numbers of seeds, spreads
    known = np.minimum((min(parts.num_seeds) - 1) / np.maximum(more - 1, 1), 1)  # share of the larger study's

    of_images = parts.image_component / num_images if num_images == parts.num_images else 0.0
    now = np.maximum(_variance(parts, ratio) - of_images, 1e-30)
    then = np.clip(_Larger(parts, ratio, more, num_images).variance - of_images, 0, now)
    mean, spread = _larger_estimate(
        difference.value, before=(PRIOR_MARGINS * margin) ** 2 + of_images, now=now, then=then
    )
    larger = _Larger(parts, known + (1 - known) * ratio, more, num_images)
    half = larger.half_width(confidence)
    clear = larger.half_width(1 - (1 - confidence) / num_pairs)
    # A clear difference inside the margin is a winner.
    alike = np.maximum(np.minimum(margin - half, clear), 0)
    better, worse = ndtr((mean - clear) / spread), ndtr((-clear - mean) / spread)
    equivalent = ndtr((alike - mean) / spread) - ndtr((-alike - mean) / spread)
    verdicts = np.stack([better, worse, equivalent], axis=1).mean(axis=2)
    return [Chances(*map(float, each)) for each in verdicts]


def _variance(parts: VarianceParts, ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """`VarianceParts.variance` with seed parts so many times as large."""
    components = _seed_components(parts, ratio)
    seeds = ratio * sum(parts.seed) - sum(parts.residual)
    return parts.image + np.maximum(seeds, 0) + components @ _overlap(parts)


def _seed_components(parts: VarianceParts, ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """`VarianceParts.seed_components` with seed parts so many times as large, the recipes as last axis."""
    seed, residual, num_seeds = map(np.array, (parts.seed, parts.residual, parts.num_seeds))
    components: NDArray[np.float64] = np.maximum(ratio[..., None] * seed - residual, 0) * num_seeds
    return components


def _overlap(parts: VarianceParts) -> NDArray[np.float64]:
    return np.array(parts.overlap or (0.0,) * len(parts.seed))


class _Larger:
    """`VarianceParts.at` for many numbers of seeds and many sizes of the seed parts at once."""

    def __init__(
        self,
        parts: VarianceParts,
        ratio: NDArray[np.float64],
        num_seeds: NDArray[np.float64],
        num_images: int,
    ) -> None:
        residual = np.array(parts.residual_components) / (num_seeds * num_images)[..., None]
        each = _seed_components(parts, ratio) * (1 / num_seeds[..., None] + _overlap(parts)) + residual
        self.seeds = each.sum(axis=-1)
        self.images = parts.image_component / num_images
        self.image = self.images + residual.sum(axis=-1)
        self.variance = self.images + self.seeds
        squares = np.square(each).sum(axis=-1)
        welch = np.divide(np.square(self.seeds), squares, out=np.ones_like(squares), where=squares > 0)
        self.seed_degrees = (num_seeds - 1) * np.clip(welch, 1, 2)
        self.image_degrees = max(num_images - 1, 1)

    def half_width(self, confidence: float) -> NDArray[np.float64]:
        """`VarianceParts.half_width`."""
        tail = (1 - confidence) / 2
        of_seeds = np.square(stdtrit(self.seed_degrees, tail))
        of_images = float(stdtrit(self.image_degrees, tail)) ** 2
        both = of_seeds * self.seeds + of_images * self.images
        width: NDArray[np.float64] = np.sqrt(np.maximum(both, of_images * self.image))
        return width


def _larger_estimate(
    value: float, *, before: float, now: NDArray[np.float64], then: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the estimate of a study that contains the present one.

    From the present estimate, the prior variance, and the error's variance in both studies.
    """
    kept = then / now
    mean = value * before / (before + now)
    variance = np.square(1 - kept) * before * now / (before + now) + then * (1 - kept)
    return mean + kept * (value - mean), np.maximum(np.sqrt(variance), 1e-15)


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
