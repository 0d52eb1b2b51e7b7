"""Correction of p-values for the number of tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values so that the probability of any false rejection is at most alpha.

    In ascending order, p_(i) is multiplied by the number of hypotheses not yet rejected, m - i + 1, made
    monotone and clipped at 1. Valid for any dependence between the tests.

    Parameters
    ----------
    p_values
        float [num_tests], 0..1.

    Returns
    -------
    list of float
        In the given order: reject if the corrected value is below alpha.

    References
    ----------
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of
    Statistics 6(2), 65-70.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(value) for value in adjusted]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Correct p-values so that on average a share of at most alpha of all rejections is false.

    In ascending order, p_(i) m / i, made monotone from the largest down. Valid for independent and for
    positively dependent tests.

    Parameters
    ----------
    p_values
        float [num_tests], 0..1.

    Returns
    -------
    list of float
        In the given order: reject if the corrected value is below alpha.

    References
    ----------
    Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate: a practical and powerful
    approach to multiple testing. Journal of the Royal Statistical Society B 57(1), 289-300.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)[::-1]
    num_tests = len(p)
    adjusted = np.empty_like(p)
    scaled = p[order] * num_tests / np.arange(num_tests, 0, -1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return [float(value) for value in adjusted]
