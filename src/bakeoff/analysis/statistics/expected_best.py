"""The best of n trials: what a search with n trials would give, from all subsets of those that were made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-12
"""Of the probabilities, which are products of up to n factors."""


@dataclass(frozen=True)
class ExpectedBest:
    """The best score of n trials, for n = 1 .. N; each array is float64 [N].

    Attributes
    ----------
    mean
        Mean over all subsets of n of the N trials: an unbiased estimate of what a search with n trials gives.
    low, high
        A share `level` of the subsets have their best score between these, the rest evenly below and above.
        With n = N there is one subset, so both are its best score, however uncertain that is.
    level
        0..1.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float


def expected_best(scores: NDArray[np.float64], *, level: float = 0.8) -> ExpectedBest:
    """Estimate the best score of n trials, for each n up to the number of trials that were made.

    With the scores in ascending order v_1 .. v_N, a subset of n has its best among the first i with
    probability C(i, n) / C(N, n); mean and quantiles follow. Each mean is unbiased for n further trials of
    the same search, but those of different n depend on each other, and on the same trials.

    Parameters
    ----------
    scores
        float [N], one per trial, the larger the better, all drawn independently from the same space.
    level
        Share of the subsets between `low` and `high`.

    References
    ----------
    Tang, R. et al. (2020). Showing your work doesn't always work. Proceedings of ACL, 2766-2772
    (arXiv 2004.13705). Dodge, J. et al. (2019). Show your work: improved reporting of experimental results.
    Proceedings of EMNLP, 2185-2194.
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    num_trials = len(ordered)
    position = np.arange(1, num_trials + 1)
    at_most = np.ones(num_trials)  # probability that the best of n is among the first i
    mean, low, high = (np.empty(num_trials) for _ in range(3))
    for n in range(1, num_trials + 1):
        at_most = at_most * np.maximum(position - n + 1, 0) / (num_trials - n + 1)
        mean[n - 1] = np.diff(at_most, prepend=0.0) @ ordered
        for ends, probability in ((low, (1 - level) / 2), (high, (1 + level) / 2)):
            ends[n - 1] = ordered[np.argmax(at_most >= probability - ROUNDING)]
    return ExpectedBest(mean, low, high, level)
