"""Wilson's interval for a share, such as the accuracy of one trained model."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri


def wilson_interval(num_right: float, num_images: int, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the interval of the accuracy of one trained model on images like these.

    (p + z^2 / 2N +- z sqrt(p (1 - p) / N + z^2 / 4N^2)) / (1 + z^2 / N), with p = num_right / N. It is
    valid for this model, not for its recipe.

    Parameters
    ----------
    num_right
        The number of correctly classified images.
    num_images
        N, at least 1.
    confidence
        0..1.

    Returns
    -------
    low, high
        0..1.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the
    American Statistical Association 22(158), 209-212.
    """
    squared = float(ndtri((1 + confidence) / 2)) ** 2
    share = num_right / num_images
    center = share + squared / (2 * num_images)
    half = float(np.sqrt(squared * share * (1 - share) / num_images + (squared / (2 * num_images)) ** 2))
    scale = 1 + squared / num_images
    return max((center - half) / scale, 0.0), min((center + half) / scale, 1.0)
