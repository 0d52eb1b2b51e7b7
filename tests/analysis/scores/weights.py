"""Derivatives of weighted scores, the meaning of influence values."""

from collections.abc import Callable

import numpy as np


def derivative(score: Callable[[np.ndarray], float], num_images: int) -> np.ndarray:
    """N times the numerical derivative of a weighted score by each image's weight, at equal weights."""
    step = 1e-5
    found = []
    for image in range(num_images):
        change = np.zeros(num_images)
        change[image] = step
        found.append((score(1 + change) - score(1 - change)) / (2 * step) * num_images)
    return np.array(found)
