"""Where the uncertainty of one recipe's accuracy comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.statistics.crossed import ScoreSummary, VarianceParts, variance_parts
from bakeoff.analysis.statistics.exact_sums import exact_mean, exact_sum, exact_variance


@dataclass(frozen=True)
class NoiseBudget:
    """The sources of uncertainty in one recipe's accuracy. All are shares: 0.01 is one percentage point.

    Attributes
    ----------
    seed_std
        Standard deviation of the accuracy over seeds (S - 1); None with one seed.
    floor_std
        What `seed_std` would be if the outcomes of images were independent; None with one seed.
    binomial_se
        Standard error of the accuracy of one run due to the number of test images alone.
    image_share, seed_share
        Shares of the variance of the mean accuracy, 0..1, sum 1; None with one seed or no variance.
    """

    seed_std: float | None
    floor_std: float | None
    binomial_se: float
    image_share: float | None
    seed_share: float | None


def score_noise(scores: NDArray[np.float64], summary: ScoreSummary) -> NoiseBudget:
    """Split the uncertainty of any other score as `noise_budget` does, in the unit of the score.

    floor_std = sqrt(sum_i var_i) / N, with var_i the variance over seeds of the score of image i, which is
    p_i (1 - p_i) for accuracy; binomial_se = the square root of V_img predicted for one seed.

    Parameters
    ----------
    scores
        float [num_seeds, num_images], scores of images.
    summary
        Of these, over images or groups.
    """
    parts = variance_parts(summary)
    return _budget(summary, parts, parts.at(1, parts.num_images).image, scores.var(axis=0))


def noise_budget(correct: ScoreSummary, shares: NDArray[np.float64] | None = None) -> NoiseBudget:
    """Split the uncertainty of one recipe's accuracy into seeds and images.

    - seed_std = standard deviation over seeds of the accuracy
    - floor_std = sqrt(sum_i p_i (1 - p_i)) / N, with p_i the share of correct seeds on image i. If runs vary
      more than this, some seeds give better models as a whole. With few seeds it is too low, by a factor of
      sqrt((S - 1) / S).
    - binomial_se = sqrt(a (1 - a) / N), with a the mean accuracy; where images belong to groups, the square
      root of V_img predicted for one seed
    - image_share = V_img / V, seed_share = 1 - image_share, of `VarianceParts`.

    Parameters
    ----------
    correct
        Correct or not, from `summarize_scores`.
    shares
        float [num_images], the share of correct seeds on each image, where images belong to groups; by
        default the image means of `correct`.

    References
    ----------
    Bouthillier, X. et al. (2021). Accounting for variance in machine learning benchmarks. Proceedings of
    Machine Learning and Systems 3.
    """
    parts = variance_parts(correct)
    share_right = correct.image_means if shares is None else shares
    accuracy = exact_mean(share_right)
    of_images = max(accuracy * (1 - accuracy), 0.0) / len(share_right)
    if len(share_right) > parts.num_images:
        of_images = parts.at(1, parts.num_images).image
    return _budget(correct, parts, of_images, share_right * (1 - share_right))


def _budget(
    summary: ScoreSummary, parts: VarianceParts, of_images: float, over_seeds: NDArray[np.float64]
) -> NoiseBudget:
    """From the variance of one run's score due to the images, and that over seeds of each image's score."""
    standard_error = float(np.sqrt(of_images))
    if not parts.seeds_known:
        return NoiseBudget(None, None, standard_error, None, None)
    image_share = parts.image_share
    return NoiseBudget(
        seed_std=float(np.sqrt(exact_variance(summary.seed_means))),
        floor_std=float(np.sqrt(exact_sum(over_seeds)) / len(over_seeds)),
        binomial_se=standard_error,
        image_share=image_share,
        seed_share=None if image_share is None else 1 - image_share,
    )
