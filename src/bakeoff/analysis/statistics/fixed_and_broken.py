"""The number of images that one recipe classifies correctly and another does not, and the reverse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.statistics.exact_sums import exact_sum


def fixed_and_broken(
    image_means_a: NDArray[np.float64], image_means_b: NDArray[np.float64]
) -> tuple[float, float]:
    """Count the test images that B fixes and breaks compared with A, on average over all pairs of seeds.

    The seeds of A and B are not paired, so the mean over all pairs factorizes:
    fixed = sum_i b_i (1 - a_i), broken = sum_i a_i (1 - b_i), with a_i and b_i the share of correct seeds on
    image i. (fixed - broken) / N is the difference in accuracy.

    Parameters
    ----------
    image_means_a, image_means_b
        float [num_images], the share of the seeds of A and of B that classify each image correctly, 0..1.

    Returns
    -------
    fixed, broken
        Numbers of images, in general not whole numbers.
    """
    fixed = exact_sum(image_means_b * (1 - image_means_a))
    broken = exact_sum(image_means_a * (1 - image_means_b))
    return fixed, broken
