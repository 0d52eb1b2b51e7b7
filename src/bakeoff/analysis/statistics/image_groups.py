"""Images that belong together, such as frames of one patient: the group, not the image, is the unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def group_scores(scores: NDArray[np.float64], groups: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Turn scores of images into scores of groups with the same mean, to be analyzed as those of images.

    With G groups, n_g images in group g, N in all, and r_si the score of image i in run s minus the run's
    mean m_s, the score of group g is m_s + (G - 1) / (N - n_g) x sum(r_si of its images), shifted to the mean
    m_s: the change of the run's mean if the group is left out, times G - 1 (the jackknife's pseudo-value).
    Their variance is therefore the jackknife's, which large groups do not make too small.

    Parameters
    ----------
    scores
        float [num_seeds, num_images].
    groups
        int [num_images], an index from 0; None if each image is a group of its own.

    Returns
    -------
    NDArray
        float [num_seeds, num_groups], the groups in ascending order; `scores` itself if no two images belong
        together.

    References
    ----------
    Efron, B. and Stein, C. (1981). The jackknife estimate of variance. Annals of Statistics 9(3), 586-596.
    Cameron, A. C. and Miller, D. L. (2015). A practitioner's guide to cluster-robust inference. Journal of
    Human Resources 50(2), 317-372.
    """
    if groups is None:
        return scores
    _, group_of_image, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    num_groups, num_images = len(sizes), len(groups)
    if num_groups in (1, num_images):
        return scores if num_groups > 1 else scores.mean(axis=1, keepdims=True)
    means = scores.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(group_of_image, run, num_groups) for run in scores - means])
    pseudo = sums * ((num_groups - 1) / (num_images - sizes))
    grouped: NDArray[np.float64] = means + pseudo - pseudo.mean(axis=1, keepdims=True)
    return grouped
