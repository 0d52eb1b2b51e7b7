"""Whether a published accuracy is consistent with one more run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from bakeoff.analysis.statistics.crossed import ScoreSummary, variance_parts
from bakeoff.analysis.statistics.exact_sums import exact_mean


@dataclass(frozen=True)
class Replication:
    """A published accuracy and the prediction interval of one new run.

    Attributes
    ----------
    published
        The accuracy, 0..1.
    published_images
        The number of test images it was measured on.
    interval
        Prediction interval of one new run on as many new test images, 0..1; None with one seed, because the
        variation between seeds is then unknown.
    inside
        Whether the published accuracy lies in it; None if there is no interval.
    """

    published: float
    published_images: int
    interval: tuple[float, float] | None
    inside: bool | None


def replication(
    correct: ScoreSummary,
    published: float,
    *,
    published_images: int | None = None,
    confidence: float = 0.95,
) -> Replication:
    """Predict the interval of one new run on new test images, and compare the published accuracy with it.

    The published run had one seed and its own draw of test images. With the components of `VarianceParts`
    (s_img, s_seed, s_res), S seeds and N images here, and M images there, the variance of (new run - mean
    here) is V(S, N) + s_seed + (s_img + s_res) / M: the uncertainty of the mean here, the seed of one run,
    and the images there. Degrees of freedom by Satterthwaite over the mean squares, at least S - 1. If the
    published study used the same images, the interval is wider than necessary, which favors "consistent".

    Parameters
    ----------
    correct
        Correct or not, of the recipe's runs here, from `summarize_scores`.
    published
        The published accuracy of one run, 0..1.
    published_images
        M; N if it is unknown.
    confidence
        0..1.

    References
    ----------
    Patil, P., Peng, R. D. and Leek, J. T. (2016). What should researchers expect when they replicate studies?
    A statistical view of replicability in psychological science. Perspectives on Psychological Science 11(4),
    539-544.
    """
    parts = variance_parts(correct)
    num_seeds, num_images = parts.num_seeds[0], parts.num_images
    new_images = published_images or num_images
    if not parts.seeds_known:
        return Replication(published, new_images, None, None)

    # Elsewhere the training images are others, of which runs that draw theirs from one pool show a part.
    overlap = correct.overlap
    new_run = parts.seed_components[0] * (1 + overlap)
    new_draw = (parts.image_component + parts.residual_components[0]) / new_images
    variance = parts.variance + new_run + new_draw
    # Each mean square with its weight in the sum above.
    seeds = parts.seed[0] * (1 + num_seeds * (1 + 2 * overlap))
    images = parts.image * (1 + num_images / new_images)
    squares = seeds**2 / (num_seeds - 1) + images**2 / max(num_images - 1, 1)
    degrees = max(variance**2 / squares, num_seeds - 1.0) if squares > 0 else num_seeds - 1.0

    # Without variance (all runs right on all images): the bound of `crossed_interval`, for both draws.
    quantile = float(stdtrit(degrees, (1 + confidence) / 2))
    unseen = quantile**2 / (min(num_images, new_images) + quantile**2)
    accuracy = exact_mean(correct.image_means)
    half = quantile * float(np.sqrt(variance))
    low = max(min(accuracy - half, (1 - unseen) * accuracy), 0.0)
    high = min(max(accuracy + half, (1 - unseen) * accuracy + unseen), 1.0)
    return Replication(published, new_images, (low, high), low <= published <= high)
