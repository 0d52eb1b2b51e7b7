"""The probability that a run of one recipe is better than a run of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def probability_of_outperforming(
    scores_a: NDArray[np.float64] | NDArray[np.int64], scores_b: NDArray[np.float64] | NDArray[np.int64]
) -> float:
    """Compute the share of pairs of runs in which the run of B is better than that of A; ties count one half.

    P = U / (S_A S_B), with U of Mann and Whitney. It describes these runs on these test images.

    Parameters
    ----------
    scores_a, scores_b
        int or float [num_seeds_a], [num_seeds_b], the larger the better: the number of correct images, or the
        accuracy. Prefer the number, because rounding can hide a tie of accuracies.

    Returns
    -------
    float
        0..1; 0.5 if neither is better.

    References
    ----------
    Mann, H. B. and Whitney, D. R. (1947). On a test of whether one of two random variables is stochastically
    larger than the other. Annals of Mathematical Statistics 18(1), 50-60. Bouthillier, X. et al. (2021).
    Accounting for variance in machine learning benchmarks. Proceedings of Machine Learning and Systems 3.
    """
    ahead = np.asarray(scores_b)[:, None] > np.asarray(scores_a)
    tied = np.asarray(scores_b)[:, None] == np.asarray(scores_a)
    return float(ahead.mean() + tied.mean() / 2)
