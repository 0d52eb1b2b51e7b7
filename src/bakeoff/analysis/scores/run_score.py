"""RunScore: a score of one run, and how it depends on each image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.statistics.exact_sums import exact_mean


@dataclass(frozen=True)
class RunScore:
    """A score of one run.

    Attributes
    ----------
    value
        The score.
    influence
        float64 [num_images], N times the derivative of the score by the weight of each image, at weights of
        1 / N: what an image adds to the score, in the first order. They sum to 0. For the mean of a score per
        image, each image's score minus the mean.

    References
    ----------
    Hampel, F. R. (1974). The influence curve and its role in robust estimation. Journal of the American
    Statistical Association 69(346), 383-393.
    """

    value: float
    influence: NDArray[np.float64]

    @property
    def of_images(self) -> NDArray[np.float64]:
        """float64 [num_images], scores of images with the mean `value`, for `summarize_scores`."""
        return self.value + self.influence


def mean_score(of_images: NDArray[np.float64] | NDArray[np.bool_]) -> RunScore:
    """The mean of a score per image, [num_images]."""
    scores = np.asarray(of_images, np.float64)
    value = exact_mean(scores)
    return RunScore(value, scores - value)


def mean_of(scores: list[RunScore]) -> RunScore:
    """The mean of several scores of the same run."""
    influence: NDArray[np.float64] = np.mean([score.influence for score in scores], axis=0)
    return RunScore(float(np.mean([score.value for score in scores])), influence)
