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
    """Sum an array of any shape: the same as `math.fsum`, in a tenth of its time.

    The terms are split at a bit far enough below the largest that the leading parts are multiples of a common
    unit whose sum has at most 53 bits, and is exact; the rest likewise, until nothing is left.

    References
    ----------
    Rump, S. M., Ogita, T. and Oishi, S. (2008). Accurate floating-point summation part I: faithful rounding.
    SIAM Journal on Scientific Computing 31(1), 189-224 (the splitting).
    """
    if values.dtype == np.bool_:
        return float(np.count_nonzero(values))
    flat = values.ravel().astype(np.float64, copy=False)
    sums: list[float] = []
    for start in range(0, flat.size, 1 << _BITS):
        rest = flat[start : start + (1 << _BITS)]
        while largest := float(np.abs(rest).max()):
            if len(rest) <= _FEW or not largest < 2.0**1000:  # or infinite, or NaN
                sums += rest.tolist()
                break
            unit = math.ldexp(1.0, math.frexp(largest)[1] + _BITS + 1)
            leading = rest + unit
            leading -= unit
            sums.append(float(leading.sum()))
            rest = rest - leading
    return math.fsum(sums)


def exact_mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    """Average an array of any shape."""
    return exact_sum(values) / values.size


def exact_variance(values: NDArray[np.float64]) -> float:
    """Compute the sample variance (n - 1) of an array of any shape, of two values or more."""
    return exact_sum(np.square(values - exact_mean(values))) / (values.size - 1)
