"""McNemar's exact test for two trained models on the same images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr


def mcnemar_exact(correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]) -> float:
    """Test whether two trained models are right equally often, from the images on which they disagree.

    Of n images that only one model classifies correctly, k are those of the model with fewer: without a
    difference, k is binomial (n, 1/2), and p = min(1, 2 P(K <= k)). It says nothing about the recipes of
    the two models, because it does not include the seed.

    Parameters
    ----------
    correct_a, correct_b
        bool [num_images], whether each model is right, for the same images.

    Returns
    -------
    float
        Two-sided p-value, 1 if the models never disagree.

    References
    ----------
    McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or
    percentages. Psychometrika 12(2), 153-157. Dietterich, T. G. (1998). Approximate statistical tests for
    comparing supervised classification learning algorithms. Neural Computation 10(7), 1895-1923.
    """
    only_a = int((correct_a & ~correct_b).sum())
    only_b = int((correct_b & ~correct_a).sum())
    if only_a + only_b == 0:
        return 1.0
    return min(1.0, float(2 * bdtr(min(only_a, only_b), only_a + only_b, 0.5)))
