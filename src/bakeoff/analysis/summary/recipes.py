"""RecipeSummary: a recipe's settings, and the results of its runs over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.of_study import published_results
from bakeoff.analysis.failures.confusion import RecipeConfusion, confusions
from bakeoff.predictions import Predictions
from bakeoff.study.recipe import flatten_settings

if TYPE_CHECKING:
    from bakeoff.analysis.comparison.looks import Looks
    from bakeoff.store import FailedRun, StoredRun, StoredStudy
    from bakeoff.study import Published


OVERFITTING = 0.05
"""A recipe overfits if its validation loss rises by more than this share while its training loss falls."""


@dataclass(frozen=True)
class OverSeeds:
    """Numbers of each run, `per_seed` [num_seeds, ...], and their mean over seeds [...]."""

    mean: NDArray[np.float64]
    per_seed: NDArray[np.float64] | NDArray[np.int64]


@dataclass(frozen=True)
class ClassAccuracies:
    """The accuracy on each class, 0..1; NaN for a class without test images.

    Attributes
    ----------
    mean, sd
        float [num_classes]: over seeds; the standard deviation (n - 1) is NaN with one seed.
    per_seed
        float [num_seeds, num_classes].
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    per_seed: NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Loss (nats per image) and accuracy (0..1) per epoch, [num_epochs] and [num_seeds, num_epochs].

    NaN where a run stopped earlier, or a trainer did not report the number.
    """

    epoch: tuple[int, ...]
    train_loss: OverSeeds
    train_accuracy: OverSeeds
    val_loss: OverSeeds
    val_accuracy: OverSeeds

    @property
    def reported(self) -> bool:
        """Whether there is more than the result of a trainer that reports no epochs."""
        return len(self.epoch) > 1 or not np.isnan(self.train_loss.per_seed).all()

    @property
    def overfits_from(self) -> int | None:
        """The epoch after that of the lowest mean validation loss, if the recipe overfits from there on."""
        train, val = self.train_loss.mean, self.val_loss.mean
        if np.isnan(train).any() or np.isnan(val).any():
            return None
        lowest = int(np.argmin(val))
        overfits = val[-1] > (1 + OVERFITTING) * val[lowest] and train[-1] < train[lowest]
        return self.epoch[lowest + 1] if overfits else None


@dataclass(frozen=True)
class Results:
    """Results of a recipe's finished runs; entries per run are in the order of `seeds`.

    Attributes
    ----------
    seeds
        One per run, ascending.
    accuracies
        float [num_seeds], share of test images classified correctly, 0..1.
    mean, sd
        Of the accuracies; the standard deviation (n - 1) is NaN with one seed.
    confusion
        Images by true class (row) and predicted class (column).
    checkpoint_epochs
        The epoch of the stored weights.
    """

    seeds: tuple[int, ...]
    accuracies: NDArray[np.float64]
    mean: float
    sd: float
    class_accuracies: ClassAccuracies
    confusion: OverSeeds
    curves: Curves
    checkpoint_epochs: tuple[int, ...]
    training_seconds: tuple[float, ...]
    mean_training_seconds: float
    num_parameters: int | None
    devices: tuple[str, ...]


@dataclass(frozen=True)
class RecipeSummary:
    """A recipe of a study.

    Attributes
    ----------
    settings
        By dotted path, in the order of their declaration.
    failures
        Ascending in seed.
    missing_seeds
        Seeds whose runs neither finished nor failed.
    published
        None if there are no published results.
    results
        None without a finished run.
    """

    name: str
    settings: dict[str, Any]
    failures: tuple[FailedRun, ...]
    missing_seeds: list[int]
    published: Published | None
    results: Results | None

    @property
    def has_trainer(self) -> bool:
        """Whether other code than Bakeoff's trains it."""
        return "trainer.name" in self.settings

    def to_dict(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return an entry of `recipes` in summary.json."""
        return {
            "name": self.name,
            "settings": self.settings,
            "failures": [{"seed": failure.seed, "reason": failure.reason} for failure in self.failures],
            "missing_seeds": self.missing_seeds,
            "published": _published(self.published, class_names) if self.published else None,
            "results": self.results,
        }


@dataclass(frozen=True)
class FinishedRecipe(RecipeSummary):
    """A recipe with a finished run."""

    results: Results


def summarize_recipes(
    stored: StoredStudy, predictions: Predictions, looks: Looks | None
) -> tuple[RecipeSummary, ...]:
    """Summarize each recipe, in the study's order; those with a finished run as `FinishedRecipe`."""
    study, published = stored.study, published_results(stored)
    confusion_of = {confusion.recipe: confusion for confusion in confusions(predictions)}
    recipes: list[RecipeSummary] = []
    for name, recipe in study.recipes.items():
        facts = (
            name,
            flatten_settings(recipe),
            tuple(failure for failure in stored.failures if failure.recipe == name),
            stored.missing_seeds(name, looks.wanted[name] if looks else study.seeds),
            published.get(name),
        )
        if name in confusion_of:
            results = _results(predictions, confusion_of[name], stored.runs_of(name))
            recipes.append(FinishedRecipe(*facts, results))
        else:
            recipes.append(RecipeSummary(*facts, None))
    return tuple(recipes)


def _results(predictions: Predictions, confusion: RecipeConfusion, runs: tuple[StoredRun, ...]) -> Results:
    accuracies = predictions.correct(confusion.recipe).mean(axis=1)
    seconds = np.array([run.seconds for run in runs])
    return Results(
        seeds=predictions.recipe(confusion.recipe).seeds,
        accuracies=accuracies,
        mean=float(accuracies.mean()),
        sd=float(accuracies.std(ddof=1)) if len(accuracies) > 1 else float("nan"),
        class_accuracies=ClassAccuracies(
            confusion.class_accuracy_mean, confusion.class_accuracy_sd, confusion.class_accuracy
        ),
        confusion=OverSeeds(confusion.mean_counts, confusion.counts),
        curves=Curves(
            epoch=tuple(range(1, max(len(run.history["epoch"]) for run in runs) + 1)),
            train_loss=_curve(runs, "train_loss"),
            train_accuracy=_curve(runs, "train_accuracy"),
            val_loss=_curve(runs, "val_loss"),
            val_accuracy=_curve(runs, "val_accuracy"),
        ),
        checkpoint_epochs=tuple(run.checkpoint_epoch for run in runs),
        training_seconds=tuple(seconds.tolist()),
        mean_training_seconds=float(seconds.mean()),
        num_parameters=runs[0].num_parameters,
        devices=tuple(run.device for run in runs),
    )


def _curve(runs: tuple[StoredRun, ...], column: str) -> OverSeeds:
    values = np.full((len(runs), max(len(run.history[column]) for run in runs)), np.nan)
    for row, run in zip(values, runs, strict=True):
        row[: len(run.history[column])] = run.history[column]
    known = ~np.isnan(values)
    mean = np.where(known, values, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return OverSeeds(mean, values)


def _published(published: Published, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Class accuracies in label order, losses by ascending epoch."""
    accuracies = published.class_accuracies
    return {
        "test_accuracy": published.test_accuracy,
        "test_images": published.test_images,
        "class_accuracies": [accuracies.get(name) for name in class_names] if accuracies else None,
        "train_loss": [{"epoch": epoch, "value": value} for epoch, value in published.losses],
        "source": published.source,
    }
