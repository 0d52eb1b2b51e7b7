"""Sums that do not depend on the order of their terms.

With rounding, the last digit of an ordinary sum depends on the order of images, seeds and recipes, so that
8.75 points may be shown as 8.7 or 8.8. These sums are rounded once, at the end.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_FEW = 256
"""Terms for which `math.fsum` is faster."""

_BITS = 14
"""At most 2^14 terms at a time: they stay in the processor's cache."""


def exact_sum(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    """Sum an array of any shape: the same as `math.fsum`, in a twentieth of its time.

    The terms are split at a bit far enough below the largest that the leading parts are multiples of a common
    unit whose sum has at most 53 bits, and is exact. The rest is summed with rounding. Nearly always, the
    result is the same wherever that sum is within the bound of its error; else the rest is split in turn.

    References
    ----------
    Rump, S. M., Ogita, T. and Oishi, S. (2008). Accurate floating-point summation part I: faithful rounding.
    SIAM Journal on Scientific Computing 31(1), 189-224 (the splitting).
    """
    if values.dtype == np.bool_:
        return float(np.count_nonzero(values))
    flat = values.ravel().astype(np.float64, copy=False)
    if len(flat) <= _FEW:
        return math.fsum(flat.tolist())
    blocks = [flat[start : start + (1 << _BITS)] for start in range(0, flat.size, 1 << _BITS)]
    exact: list[float] = []
    while True:
        rests, rounded, error = [], [], 0.0
        for block in blocks:
            largest = max(float(block.max()), -float(block.min()))
            if not largest:
                continue
            if len(block) <= _FEW or not 2.0**-900 < largest < 2.0**1000:  # or infinite, or NaN
                exact += block.tolist()
                continue
            unit = math.ldexp(1.0, math.frexp(largest)[1] + _BITS + 1)
            leading = block + unit
            leading -= unit
            rest = block - leading
            exact.append(float(leading.sum()))
            rounded.append(float(rest.sum()))
            rests.append(rest)
            # n terms of at most unit / 2^53, each addition off by at most 2^-53 of what it gives: twice that.
            error += unit * 2.0 ** (2 * _BITS - 105)
        total = math.fsum([*exact, *rounded, error])
        if not rests or total == math.fsum([*exact, *rounded, -error]):
            return total
        blocks = rests


def exact_mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    """Average an array of any shape."""
    return exact_sum(values) / values.size


def exact_variance(values: NDArray[np.float64]) -> float:
    """Compute the sample variance (n - 1) of an array of any shape, of two values or more."""
    return exact_sum(np.square(values - exact_mean(values))) / (values.size - 1)
