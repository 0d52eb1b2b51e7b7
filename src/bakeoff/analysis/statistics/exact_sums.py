"""Sums that do not depend on the order of their terms.

With rounding, the last digit of an ordinary sum depends on the order of images, seeds and recipes, so that
8.75 points may be shown as 8.7 or 8.8. These sums are rounded once, at the end.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def exact_sum(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    """Sum an array of any shape."""
    return math.fsum(values.ravel().tolist())


def exact_mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    """Average an array of any shape."""
    return exact_sum(values) / values.size


def exact_variance(values: NDArray[np.float64]) -> float:
    """Compute the sample variance (n - 1) of an array of any shape, of two values or more."""
    return exact_sum(np.square(values - exact_mean(values))) / (values.size - 1)
