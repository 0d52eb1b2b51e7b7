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
from bakeoff.analysis.scores.probabilities import (
    auroc,
    auroc_and_average_precision,
    average_precision,
    brier,
    log_loss,
    top_k,
)
from bakeoff.analysis.scores.run_score import RunScore, mean_score
from bakeoff.analysis.scores.scale import ACCURACY, Scale
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
    scale
        How it is called and written, and which direction is better.
    of_run
        From labels [num_images] and predicted classes [num_images], or, with `needs_probabilities`,
        probabilities [num_images, num_classes], to a `RunScore`.
    bounds
        The lowest and the highest possible score.
    needs_probabilities
        Whether predicted classes are not enough.
    """

    name: str
    scale: Scale
    of_run: Callable[[NDArray[np.int64], NDArray[Any]], Any]
    bounds: tuple[float, float] = (0.0, 1.0)
    needs_probabilities: bool = True

    def of_images(self, predictions: Predictions, recipe: str) -> NDArray[np.float64] | NDArray[np.bool_]:
        """Scores of images, [num_seeds, num_images], whose mean in each run is the run's score.

        Raises
        ------
        BakeoffError
            If the score needs probabilities that are not there, or is not defined for these images.
        """
        check_num_classes(self.name, len(predictions.class_names))
        if self.scale.is_accuracy:
            return predictions.correct(recipe)
        runs = self._runs(predictions, recipe)
        try:
            return np.stack([self.of_run(predictions.labels, run).of_images for run in runs])
        except ValueError as error:
            raise BakeoffError(f"{self.name}: {error}", "metric") from error

    def samples(
        self, predictions: Predictions, recipe: str
    ) -> tuple[NDArray[np.float64] | NDArray[np.bool_], NDArray[np.int64] | None]:
        """Scores [num_seeds, num_images] and the images' groups, for `summarize_scores`; see `of_images`."""
        return self.of_images(predictions, recipe), predictions.groups

    @property
    def is_ranking(self) -> bool:
        """Whether it ranks the images by each class against the rest."""
        return self.name in ("auroc", "average_precision")

    def is_defined_for(self, predictions: Predictions, recipe: str) -> bool:
        """Whether there is all that the score needs."""
        if self.is_ranking and (predictions.labels == predictions.labels[0]).all():
            return False
        return not self.needs_probabilities or predictions.recipe(recipe).probabilities is not None

    def known_from(self, scores: NDArray[np.float64] | NDArray[np.bool_]) -> Score:
        """The score with what is only known from its values; of a named one, everything is known."""
        return self

    def _runs(self, predictions: Predictions, recipe: str) -> NDArray[Any]:
        """What each run of a recipe predicted: classes or, if these are needed, probabilities."""
        of_recipe = predictions.recipe(recipe)
        if not self.needs_probabilities:
            return of_recipe.predicted
        if of_recipe.probabilities is None:
            without = [name for name, score in SCORES.items() if not score.needs_probabilities]
            raise BakeoffError(
                f"{recipe} has no probabilities, which {self.name} needs: add them (in a CSV file, a column "
                f"p_CLASS for each class), or choose {', '.join(without[:-1])} or {without[-1]}",
                "metric",
            )
        return of_recipe.probabilities


def _accuracy(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> RunScore:
    return mean_score(predicted == labels)


SCORES = {
    score.name: score
    for score in (
        Score("accuracy", ACCURACY, _accuracy, needs_probabilities=False),
        Score("balanced_accuracy", Scale("balanced accuracy"), balanced_accuracy, needs_probabilities=False),
        Score("macro_f1", Scale("macro F1"), macro_f1, needs_probabilities=False),
        Score("auroc", Scale("AUROC"), auroc),
        Score("average_precision", Scale("average precision"), average_precision),
        Score("log_loss", Scale("log-loss", "nats", higher_is_better=False), log_loss, (0.0, np.inf)),
        Score("brier", Scale("Brier score", "", higher_is_better=False), brier, (0.0, 2.0)),
    )
}


def ranking_scores(predictions: Predictions, recipe: str) -> dict[str, NDArray[np.float64]]:
    """The scores of images, [num_seeds, num_images], by each name that `is_ranking`: ranked once for both.

    Of a recipe for which they are defined.
    """
    probabilities = predictions.recipe(recipe).probabilities
    assert probabilities is not None
    runs = (auroc_and_average_precision(predictions.labels, run) for run in probabilities)
    of_images = np.array([[score.of_images for score in both] for both in runs])
    return {"auroc": of_images[:, 0], "average_precision": of_images[:, 1]}


def score_named(name: str) -> Score:
    """The score of this name, such as `macro_f1`, or `top_3`.

    Raises
    ------
    BakeoffError
        If there is none.
    """
    if match := re.fullmatch(r"top_([1-9]\d{0,3})", name):
        return Score(name, Scale(f"top-{match[1]} accuracy"), partial(top_k, k=int(match[1])))
    if name not in SCORES:
        hint = did_you_mean(name, list(SCORES))
        raise BakeoffError(f"no score {name!r}{hint}; expected {listed(list(SCORES))} or top_K", "metric")
    return SCORES[name]


def check_num_classes(name: str, num_classes: int) -> None:
    """Check that a score can differ between models: with K classes or fewer, top_K is 1 for all.

    Raises
    ------
    BakeoffError
        If it cannot.
    """
    if (match := re.fullmatch(r"top_(\d+)", name)) and int(match[1]) >= num_classes:
        raise BakeoffError(
            f"{name} is 100 % for every model, for there are {num_classes} classes; expected top_K with K "
            f"below {num_classes}",
            "metric",
        )
