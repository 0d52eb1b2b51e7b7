"""The interval of a mean score when both seeds and test images are random, with a closed-form variance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from bakeoff.analysis.statistics.exact_sums import exact_mean, exact_sum, exact_variance
from bakeoff.analysis.statistics.image_groups import group_scores


@dataclass(frozen=True)
class ScoreSummary:
    """The summary of one recipe's scores that the variance requires.

    Where images belong to groups, the groups stand in the place of the images, see `group_scores`.

    Attributes
    ----------
    image_means
        float [num_images], each image's mean over seeds.
    seed_means
        float [num_seeds], each run's mean over images.
    residual
        Mean square of the residuals after subtracting seed and image means: sum(r^2) / ((S - 1)(N - 1)); 0
        with one seed or one image.
    overlap
        Training images per held-out image, n / v, where each run draws its own training images from a pool of
        n + v that all runs share; 0 where all runs have the same ones. See `VarianceParts`.
    """

    image_means: NDArray[np.float64]
    seed_means: NDArray[np.float64]
    residual: float
    overlap: float = 0.0


def summarize_scores(
    scores: NDArray[np.float64] | NDArray[np.bool_],
    groups: NDArray[np.int64] | None = None,
    overlap: float = 0.0,
) -> ScoreSummary:
    """Summarize the scores of one recipe for the crossed variance.

    Parameters
    ----------
    scores
        bool or float [num_seeds, num_images]: correct or not, log-loss, Brier score or any other score per
        image; of all images or of some, such as one class.
    groups
        int [num_images], which images belong together; None if each stands for itself.
    overlap
        Of the runs' training images, see `ScoreSummary`.

    Raises
    ------
    ValueError
        If there is no seed or no image.
    """
    scores = np.asarray(scores, dtype=np.float64)
    num_seeds, num_images = scores.shape
    if num_seeds == 0 or num_images == 0:
        raise ValueError(f"scores of {num_seeds} seeds and {num_images} images have no mean")
    scores = group_scores(scores, groups)
    num_images = scores.shape[1]
    # Sorted, so that the order of seeds does not change the last digits.
    image_means = np.sort(scores, axis=0).mean(axis=0)
    seed_means = np.array([exact_mean(run) for run in scores])
    degrees = (num_seeds - 1) * (num_images - 1)
    residual = 0.0
    if degrees:
        residuals = scores - seed_means[:, None]
        residuals -= image_means
        residuals += exact_mean(image_means)
        residual = exact_sum(np.square(residuals, out=residuals)) / degrees
    return ScoreSummary(image_means, seed_means, residual, overlap)


SMALLEST_P = 1e-60
"""Smaller p-values are given as this: quantiles of t are not computed reliably below 1e-100."""


@dataclass(frozen=True)
class VarianceParts:
    """The parts of the variance of one recipe's mean score, or of a difference of two.

    With r = y - seed means - image means + grand mean, for each recipe k of S_k seeds, and N images:

    - V_img = var(d) / N, where d_i is the image's mean over seeds (of B minus that of A)
    - V_seed,k = var(seed means of k) / S_k
    - V_res,k = sum(r^2) / ((S_k - 1)(N - 1)) / (S_k N)
    - V = V_img + sum V_seed,k - sum V_res,k, not below V_img: the residual is part of the image part and
      of each seed part, so it is subtracted once.
    - Where each run of k draws n training images of its own from n + v, V has one more part:
      V_pool,k = n / v max(S_k V_seed,k - S_k V_res,k, 0). These training sets overlap, so that all runs are
      alike in what their common images are: the delete-v jackknife allows for others.

    Attributes
    ----------
    image
        V_img, in the unit of the score squared.
    seed, residual
        V_seed,k and V_res,k of each recipe; 0 for a recipe with one seed, whose seed part is unknown.
    num_seeds
        S_k.
    num_images
        N.
    overlap
        n / v of each recipe, 0 if all its runs have the same training images; () if none draws its own.

    References
    ----------
    Gallas, B. D. (2006). One-shot estimate of MRMC variance: AUC. Academic Radiology 13(3), 353-362.
    Obuchowski, N. A. and Rockette, H. E. (1995). Hypothesis testing of diagnostic accuracy for multiple
    readers and multiple tests: an ANOVA approach with dependent observations. Communications in Statistics -
    Simulation and Computation 24(2), 285-308.
    Satterthwaite, F. E. (1946). An approximate distribution of estimates of variance components. Biometrics
    Bulletin 2(6), 110-114.
    Shao, J. and Wu, C. F. J. (1989). A general theory for jackknife variance estimation. Annals of Statistics
    17(3), 1176-1197.
    Welch, B. L. (1947). The generalization of "Student's" problem when several different population variances
    are involved. Biometrika 34(1/2), 28-35.
    """

    image: float
    seed: tuple[float, ...]
    residual: tuple[float, ...]
    num_seeds: tuple[int, ...]
    num_images: int
    overlap: tuple[float, ...] = ()

    @property
    def seeds_known(self) -> bool:
        """Whether each recipe has two or more seeds, so that its seed part can be estimated."""
        return min(self.num_seeds) > 1

    @property
    def variance(self) -> float:
        """V."""
        return max(self.image + sum(self.seed) - sum(self.residual), self.image) + sum(self.pool)

    @property
    def pool(self) -> tuple[float, ...]:
        """V_pool,k of each recipe, which stays with any number of seeds."""
        if not self.overlap:
            return (0.0,) * len(self.seed)
        return tuple(c * seed for c, seed in zip(self.overlap, self.seed_components, strict=True))

    @property
    def image_share(self) -> float | None:
        """The share of the images in V, 0..1; None if V is 0 or the seed part is unknown."""
        return self.image / self.variance if self.variance > 0 and self.seeds_known else None

    @property
    def seed_and_pool(self) -> tuple[float, ...]:
        """V_seed,k + V_pool,k of each recipe, both estimated from its seeds."""
        return tuple(seed + pool for seed, pool in zip(self.seed, self.pool, strict=True))

    @property
    def degrees_of_freedom(self) -> float:
        """Of V: V^2 / sum(part^2 / its degrees of freedom), at least the smallest S_k - 1 (Satterthwaite)."""
        images = max(self.num_images - 1, 1)
        known = [num_seeds - 1 for num_seeds in self.num_seeds if num_seeds > 1]
        fewest = float(min(known, default=images))
        terms = [self.image**2 / images]
        for seed, residual, num_seeds in zip(self.seed_and_pool, self.residual, self.num_seeds, strict=True):
            if num_seeds > 1:
                terms += [seed**2 / (num_seeds - 1), residual**2 / ((num_seeds - 1) * images)]
        squares = math.fsum(terms)
        return max(self.variance**2 / squares, fewest) if squares > 0 else fewest

    @property
    def seed_degrees_of_freedom(self) -> float:
        """Of the sum of the seed parts (Welch), from min(S_k) - 1 to twice that; N - 1 if there is none.

        Welch's alone is too large where few seeds meet many: it is that of the many if the few happen to
        agree.
        """
        known = [
            (seed, num_seeds - 1)
            for seed, num_seeds in zip(self.seed_and_pool, self.num_seeds, strict=True)
            if num_seeds > 1
        ]
        if not known:
            return float(max(self.num_images - 1, 1))
        fewest = min(degrees for _, degrees in known)
        squares = math.fsum(seed**2 / degrees for seed, degrees in known)
        welch = sum(self.seed_and_pool) ** 2 / squares if squares > 0 else fewest
        return float(min(max(welch, fewest), 2 * fewest))

    def half_width(self, confidence: float) -> float:
        """sqrt(t(seeds)^2 sum (V_seed,k + V_pool,k) + t(N - 1)^2 max(V_img - sum V_res,k, 0)).

        At least t(N - 1) sqrt(V_img). The quantile of few seeds, with `seed_degrees_of_freedom`, is for the
        seed parts alone; both quantiles are at (1 + confidence) / 2.
        """
        return self._half_widths()((1 - confidence) / 2)

    def _half_widths(self) -> Callable[[float], float]:
        """The half-width as a function of what lies beyond each end of the interval, 0..0.5."""
        seed_degrees, image_degrees = self.seed_degrees_of_freedom, max(self.num_images - 1, 1)
        seeds, images = sum(self.seed_and_pool), max(self.image - sum(self.residual), 0.0)

        def half_width(tail: float) -> float:
            of_seeds = float(stdtrit(seed_degrees, tail)) ** 2
            of_images = float(stdtrit(image_degrees, tail)) ** 2
            return math.sqrt(max(of_seeds * seeds + of_images * images, of_images * self.image))

        return half_width

    def p_value(self, distance: float) -> float:
        """The p, two-sided, with which the half-width is this distance (above 0): the interval ends there.

        Requires a variance above 0.
        """

        half_width = self._half_widths()

        def excess(log_tail: float) -> float:
            return math.log(max(half_width(math.exp(log_tail)), 1e-300) / distance)

        smallest, largest = math.log(SMALLEST_P / 2), math.log(0.5 - 1e-9)
        if excess(largest) >= 0:
            return 1.0
        if excess(smallest) <= 0:
            return SMALLEST_P
        return 2 * math.exp(brentq(excess, smallest, largest, xtol=1e-13))

    @property
    def image_component(self) -> float:
        """Variance of the expected score of an image over images, without the residual."""
        residual = sum(self.residual) * self.num_images
        return max(self.image * self.num_images - residual, 0.0)

    @property
    def seed_components(self) -> tuple[float, ...]:
        """Variance over seeds of each recipe's expected score, without the residual."""
        return tuple(
            max((seed - residual) * num_seeds, 0.0)
            for seed, residual, num_seeds in zip(self.seed, self.residual, self.num_seeds, strict=True)
        )

    @property
    def residual_components(self) -> tuple[float, ...]:
        """Variance of the score of one image in one run that neither the image nor the run explains."""
        return tuple(
            residual * num_seeds * self.num_images
            for residual, num_seeds in zip(self.residual, self.num_seeds, strict=True)
        )

    def at(self, num_seeds: int, num_images: int) -> VarianceParts:
        """Predict the parts with other numbers of seeds (the same for each recipe) and images."""
        residual = tuple(value / (num_seeds * num_images) for value in self.residual_components)
        return VarianceParts(
            image=self.image_component / num_images + sum(residual),
            seed=tuple(
                value / num_seeds + rest for value, rest in zip(self.seed_components, residual, strict=True)
            ),
            residual=residual,
            num_seeds=(num_seeds,) * len(self.num_seeds),
            num_images=num_images,
            overlap=self.overlap,
        )


def variance_parts(scores: ScoreSummary, minus: ScoreSummary | None = None) -> VarianceParts:
    """Split the variance of a mean score, or of a difference of two, into its parts.

    Parameters
    ----------
    scores
        Of recipe B, or of the only recipe.
    minus
        Of recipe A: the same images in the same order; its seeds are not paired with those of B.
    """
    recipes = (scores,) if minus is None else (scores, minus)
    image_scores = scores.image_means if minus is None else scores.image_means - minus.image_means
    num_images = len(image_scores)
    counts = tuple(len(recipe.seed_means) for recipe in recipes)
    return VarianceParts(
        image=exact_variance(image_scores) / num_images if num_images > 1 else 0.0,
        seed=tuple(
            exact_variance(recipe.seed_means) / count if count > 1 else 0.0
            for recipe, count in zip(recipes, counts, strict=True)
        ),
        residual=tuple(
            recipe.residual / (count * num_images) for recipe, count in zip(recipes, counts, strict=True)
        ),
        num_seeds=counts,
        num_images=num_images,
        overlap=tuple(recipe.overlap for recipe in recipes)
        if any(recipe.overlap for recipe in recipes)
        else (),
    )


FEW = 4
"""Images (or groups) that differ from the others: with so few, their variance is no guide to unseen ones."""


def _few_differ(scores: ScoreSummary, minus: ScoreSummary | None) -> bool:
    """Whether at most `FEW` images have a score, or difference, that is not the most frequent one."""
    values = scores.image_means if minus is None else scores.image_means - minus.image_means
    values = values.round(12)
    # If so, the most frequent one is that of any 2 FEW + 1 images.
    some, counts = np.unique(values[: 2 * FEW + 1], return_counts=True)
    return int(np.count_nonzero(values != some[counts.argmax()])) <= FEW


ROUNDING = 1e-24
"""Variances below this are 0 up to rounding; the smallest real one is about 1 / (S N)^2."""


@dataclass(frozen=True)
class CrossedInterval:
    """An estimate with its interval.

    Attributes
    ----------
    value
        The mean over seeds and images, or the difference of two, in the unit of the score.
    low, high
        Of the interval, within the range of the score.
    p
        For the hypothesis that the expectation is 0: two-sided; the interval with confidence 1 - p ends at 0.
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
    """Estimate a recipe's mean score, or the difference of two, for new seeds and images.

    value +- the half-width of `VarianceParts`, clipped to the range of the score. If at most `FEW` images
    differ from the others, V does not describe unseen images: if none of N images differs, Wilson's bound
    still allows a share w = z^2 / (N + z^2) of the population to differ, with any score. The interval then
    contains (1 - w) value + w x [lowest, highest score]. If all images are right, it is [1 - w, 1], which is
    Wilson's interval.

    If a recipe has one seed, its seed part is unknown and omitted: the interval is valid for the trained
    model, not for the recipe (`parts.seeds_known`).

    Parameters
    ----------
    scores
        Of recipe B, or of the only recipe, from `summarize_scores`.
    minus
        Of recipe A, the same images.
    confidence
        0..1.
    bounds
        Lowest and highest possible score of an image (of one recipe). If one is infinite, the bound above is
        omitted.

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
    if np.isfinite(highest - lowest) and _few_differ(scores, minus):
        squared = float(ndtri((1 + confidence) / 2)) ** 2
        unseen = squared / (parts.num_images + squared)
        low = min(low, (1 - unseen) * value + unseen * lowest)
        high = max(high, (1 - unseen) * value + unseen * highest)
    return CrossedInterval(value, max(low, lowest), min(high, highest), _p_value(value, parts), parts)


def _p_value(value: float, parts: VarianceParts) -> float:
    if parts.variance > ROUNDING:
        return parts.p_value(abs(value)) if value else 1.0
    # All images differ equally: the p-value is that of the sign test over images.
    return 1.0 if value == 0 else float(2.0 ** (1 - parts.num_images))
