"""Interim looks at a comparison while seeds are added: when, and at which confidence level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

MOST_LOOKS = 3
"""A fourth look would make every interval 3 % wider, and save few seeds."""

GROWTH = 1.5
"""Each round multiplies the number of seeds by about this factor or more: with fewer, a look gains little."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)

_FAR = -9.0
"""In standard deviations: a normal variable is below this with probability 1e-19."""


@dataclass(frozen=True)
class LookPlan:
    """The numbers of seeds per recipe at which a comparison is made, and the level of each look.

    All looks have the same level (Pocock's bound), such that without a difference the probability that *any*
    of them claims one is 1 - confidence. The estimates after S_1 < S_2 < ... seeds are correlated: over the
    seeds alone Corr(Z_j, Z_k) = sqrt(S_j / S_k), and what the test images, the same at each look, add to the
    variance only raises it. By Slepian's inequality, the probability of crossing a bound on one side is
    therefore at most that under sqrt(S_j / S_k), which is computed by recursive integration and doubled: the
    level is valid for any share of the images, and nothing about the variance has to be known beforehand.
    With few seeds the normal quantile is replaced by that of t at the same level.

    Attributes
    ----------
    seeds
        Seeds per recipe at each look, ascending.
    confidence
        Over all looks together, 0..1.

    References
    ----------
    Pocock, S. J. (1977). Group sequential methods in the design and analysis of clinical trials. Biometrika
    64(2), 191-199. Armitage, P., McPherson, C. K. and Rowe, B. C. (1969). Repeated significance tests on
    accumulating data. Journal of the Royal Statistical Society A 132(2), 235-244. Jennison, C. and Turnbull,
    B. W. (1989). Interim analyses: the repeated confidence interval approach. Journal of the Royal
    Statistical Society B 51(3), 305-361. Slepian, D. (1962). The one-sided barrier problem for Gaussian
    noise. Bell System Technical Journal 41(2), 463-501.
    """

    seeds: tuple[int, ...]
    confidence: float = 0.95

    @cached_property
    def level(self) -> float:
        """Confidence level of the intervals of each look, so that `confidence` holds over all looks, 0..1."""
        alpha = 1 - self.confidence
        if len(self.seeds) == 1:
            return self.confidence
        return 1 - float(brentq(lambda p: self.adjust(p) - alpha, alpha / len(self.seeds) / 2, alpha))

    def adjust(self, p: float) -> float:
        """Return the probability that, without a difference, any look gives a p-value as small as this one.

        Such p-values of several pairs can be corrected by Holm's method like any others.
        """
        if len(self.seeds) == 1 or p == 0:
            return p
        if p == 1:
            return 1.0
        bound = float(-ndtri(p / 2))
        width = (bound - _FAR) / 2
        at = width * _NODES + (bound + _FAR) / 2
        # The density, times the weights of the integration, of a path that has not crossed the bound yet.
        density = np.exp(-np.square(at) / 2) / math.sqrt(2 * math.pi) * width * _WEIGHTS
        crossed = float(ndtr(-bound))
        for before, after in zip(self.seeds, self.seeds[1:], strict=False):
            correlation = math.sqrt(before / after)
            spread = math.sqrt(1 - before / after)
            crossed += float(density @ ndtr((correlation * at - bound) / spread))
            steps = np.exp(-np.square((at[:, None] - correlation * at) / spread) / 2)
            density = steps @ density / (spread * math.sqrt(2 * math.pi)) * width * _WEIGHTS
        return min(2 * crossed, 1.0)


def plan_looks(first: int, most: int, confidence: float = 0.95) -> LookPlan:
    """Plan looks from `first` to `most` seeds per recipe, in rounds that grow by the same factor.

    For example at 5, 7 and 10 seeds, or 5, 10 and 20, or 5 and 8.

    Parameters
    ----------
    first, most
        Seeds per recipe at the first and at the last look.
    confidence
        Over all looks together, 0..1.
    """
    rounds = round(math.log(most / first) / math.log(GROWTH))
    rounds = min(max(rounds, 1), MOST_LOOKS - 1) if most > first else 0
    seeds = [round(first * (most / first) ** (number / rounds)) for number in range(rounds)]
    return LookPlan((*seeds, most), confidence)
