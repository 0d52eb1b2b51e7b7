"""The scores that have a name: accuracy, balanced_accuracy, macro_f1, auroc, top_5 and others."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.scores.predicted_classes import balanced_accuracy, macro_f1
from bakeoff.analysis.scores.probabilities import auroc, average_precision, brier, log_loss, top_k
from bakeoff.analysis.scores.run_score import RunScore, mean_score
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions
from bakeoff.text import did_you_mean, listed


@dataclass(frozen=True)
class Score:
    """How a run is scored.

    Attributes
    ----------
    name
        Such as `macro_f1`.
    of_run
        From labels [num_images] and predicted classes [num_images], or, with `needs_probabilities`,
        probabilities [num_images, num_classes].
    bounds
        The lowest and the highest possible score.
    needs_probabilities
        Whether predicted classes are not enough.
    """

    name: str
    of_run: Callable[[NDArray[np.int64], NDArray[Any]], RunScore]
    bounds: tuple[float, float] = (0.0, 1.0)
    needs_probabilities: bool = True

    def of_images(self, predictions: Predictions, recipe: str) -> NDArray[np.float64]:
        """Scores of images, float64 [num_seeds, num_images], whose mean in each run is the run's score.

        Raises
        ------
        BakeoffError
            If the score needs probabilities that are not there, or is not defined for these images.
        """
        of_recipe = predictions.recipe(recipe)
        runs = of_recipe.probabilities if self.needs_probabilities else of_recipe.predicted
        if runs is None:
            raise BakeoffError(f"{recipe} has no probabilities, which {self.name} needs")
        try:
            return np.stack([self.of_run(predictions.labels, run).of_images for run in runs])
        except ValueError as error:
            raise BakeoffError(f"{self.name}: {error}") from error


def _accuracy(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> RunScore:
    return mean_score(predicted == labels)


SCORES = {
    score.name: score
    for score in (
        Score("accuracy", _accuracy, needs_probabilities=False),
        Score("balanced_accuracy", balanced_accuracy, needs_probabilities=False),
        Score("macro_f1", macro_f1, needs_probabilities=False),
        Score("auroc", auroc),
        Score("average_precision", average_precision),
        Score("log_loss", log_loss, (0.0, np.inf)),
        Score("brier", brier, (0.0, 2.0)),
    )
}


def score_named(name: str) -> Score:
    """The score of this name, such as `macro_f1`, or `top_3`.

    Raises
    ------
    BakeoffError
        If there is none.
    """
    if match := re.fullmatch(r"top_([1-9]\d{0,3})", name):
        return Score(name, partial(top_k, k=int(match[1])))
    if name not in SCORES:
        hint = did_you_mean(name, list(SCORES))
        raise BakeoffError(f"no score {name!r}{hint}; expected {listed(list(SCORES))} or top_K", "metric")
    return SCORES[name]
