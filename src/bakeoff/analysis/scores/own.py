"""OwnScore: a user's function as a score, by the jackknife over images or groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.analysis.scores.by_name import Score, score_named
from bakeoff.analysis.scores.scale import Scale
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions
from bakeoff.text import shorten

Function = Callable[[NDArray[np.int64], NDArray[np.float32]], ArrayLike]
"""From labels [num_images] and probabilities [num_images, num_classes] of one run to its score, or to one
score per image, whose mean is the run's."""

MOST_PARTS = 1000
"""The jackknife calls a function once for each image (or group), and for more than this many once for each of
as many random parts."""


@dataclass(frozen=True)
class OwnScore(Score):
    """A score that is a user's function, `of_run`; see `own_metric`."""

    def samples(
        self, predictions: Predictions, recipe: str
    ) -> tuple[NDArray[np.float64] | NDArray[np.bool_], NDArray[np.int64] | None]:
        """Scores of images and their groups or, if the function has one number per run, of parts without.

        Raises
        ------
        BakeoffError
            If there are no probabilities, or the function gives anything but finite numbers.
        """
        runs, labels = self._runs(predictions, recipe), predictions.labels
        whole = [self._call(labels, run) for run in runs]
        if whole[0].ndim:
            return np.stack(whole), predictions.groups
        parts = _parts(predictions)
        scores = np.empty((len(runs), int(parts.max()) + 1))
        for part in range(scores.shape[1]):
            others = parts != part
            for row, run in enumerate(runs):
                scores[row, part] = -self._call(labels[others], run[others])
        # The pseudo-values, shifted so that their mean is the score of the whole.
        scores = (scores.shape[1] - 1) * (scores - scores.mean(axis=1, keepdims=True))
        return scores + np.array(whole, np.float64)[:, None], None

    def known_from(self, scores: NDArray[np.float64] | NDArray[np.bool_]) -> OwnScore:
        """With the bounds and the unit of a share, if its scores of images turn out to be right or wrong."""
        if scores.dtype != np.bool_:
            return self
        return replace(self, bounds=(0.0, 1.0), scale=replace(self.scale, unit="%"))

    def _call(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        # Copies: a function that writes into them changes nothing of ours.
        found = np.asarray(self.of_run(labels.copy(), probabilities.copy()))
        if found.dtype.kind not in "biuf":
            raise BakeoffError(
                f"the metric {self.name} returned {shorten(found.tolist())}; expected one number, or one for "
                "each image",
                "metric",
            )
        if found.shape not in ((), labels.shape) or not np.isfinite(found).all():
            raise BakeoffError(
                f"the metric {self.name} returned shape {list(found.shape)}, {np.isfinite(found).sum()} of "
                "its numbers finite; expected one finite number, or one finite score for each of "
                f"{len(labels)} images",
                "metric",
            )
        return found if found.dtype == np.bool_ else found.astype(np.float64)


def _parts(predictions: Predictions) -> NDArray[np.int64]:
    """int [num_images], the part that is left out together with an image: the same for each recipe."""
    units = np.arange(predictions.num_images)
    if predictions.groups is not None:
        units = np.unique(predictions.groups, return_inverse=True)[1]
    num_units = int(units.max()) + 1
    if num_units <= MOST_PARTS:
        return units
    return (np.random.default_rng(0).permutation(num_units) % MOST_PARTS)[units]


def own_metric(
    function: Function,
    *,
    name: str | None = None,
    higher_is_better: bool = True,
    bounds: tuple[float, float] | None = None,
) -> Score:
    """A function as a metric, where more than the function is to be said of it.

    Parameters
    ----------
    function
        Called with labels [num_images] and probabilities [num_images, num_classes] of one run. It returns
        the run's score: its dependence on each image is found by leaving out each image (or group) in turn,
        or one of `MOST_PARTS` random parts. Or it returns one score per image, whose mean is the run's.
    name
        By default that of the function.
    higher_is_better
        Otherwise a lower score is better.
    bounds
        The lowest and the highest possible score, if there are any. With (0, 1), scores are written in
        percent and differences in percentage points.
    """
    name = name or getattr(function, "__name__", "metric").strip("<>")
    scale = Scale(name, "%" if bounds == (0, 1) else "", higher_is_better)
    return OwnScore(name, scale, function, bounds or (-np.inf, np.inf))


Metric = str | Score | Function


def as_score(metric: Metric) -> Score:
    """The score of this name; a function as one; a score is returned as it is.

    Raises
    ------
    BakeoffError
        If there is no such score, or it is something else.
    """
    if isinstance(metric, Score):
        return metric
    if isinstance(metric, str):
        return score_named(metric)
    if callable(metric):
        return own_metric(metric)
    raise BakeoffError(
        f"metric: found {type(metric).__name__}, expected the name of a score, or a function of labels and "
        "probabilities",
        "metric",
    )
