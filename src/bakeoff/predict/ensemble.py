"""Ensembles: the finished runs of one recipe with averaged probabilities; the choice of the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.conclusion import SupportedRecipe, supported_recipe
from bakeoff.analysis.summary.answer import val_accuracies
from bakeoff.analysis.summary.study import Summary
from bakeoff.data import Decoding
from bakeoff.errors import BakeoffError
from bakeoff.predict.model import (
    TrainedModel,
    check_reproduces,
    images_to_check,
    load_model,
    no_finished_run,
)
from bakeoff.store import load_study_folder
from bakeoff.text import counted, shorten


class EnsemblePredictions(NamedTuple):
    """An ensemble's predictions for some images.

    Attributes
    ----------
    predicted
        int64 [num_images], the class with the highest mean probability.
    probabilities
        float64 [num_images, num_classes], mean over the models.
    agreement
        int64 [num_images], the number of models that predict the same class individually.
    """

    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    agreement: NDArray[np.int64]


UNCHECKED = (
    "Not checked whether the models reproduce the stored predictions of the test images: these are larger "
    "than those that the study folder stores, and no longer in the cache of decoded images."
)


@dataclass(frozen=True)
class Ensemble:
    """The models of one recipe, one per seed.

    Attributes
    ----------
    choice
        The recipe, and the reason for choosing it.
    models
        At least one, with ascending seeds.
    summary
        Of the study that trained them.
    is_checked
        Whether the models reproduced the stored logits of the first test images; otherwise see `UNCHECKED`.
    """

    choice: SupportedRecipe
    models: tuple[TrainedModel, ...]
    summary: Summary
    is_checked: bool

    @property
    def recipe(self) -> str:
        """The recipe's name."""
        return self.choice.name

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(model.seed for model in self.models)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In label order."""
        return self.models[0].class_names

    @property
    def image_size(self) -> int:
        """Height and width in pixels of the input images."""
        return self.models[0].image_size

    @property
    def decoding(self) -> Decoding:
        """How files become input images, see `bakeoff.data.decode_image`."""
        return self.models[0].preprocessing.decoding

    def predict(self, images_NHWC: NDArray[np.uint8]) -> EnsemblePredictions:
        """Classify images in memory, uint8 [num_images, image_size, image_size, num_channels]."""
        return average([model.probabilities(images_NHWC) for model in self.models])

    def describe(self) -> str:
        """Describe the recipe, the reason for choosing it and the seeds, in two sentences."""
        if len(self.models) == 1:
            seeds = f"Seed {self.seeds[0]}"
        else:
            seeds = f"Mean of the probabilities of {counted(len(self.models), 'seed')} ({_list(self.seeds)})"
        return f"Recipe {self.recipe}: {self.choice.reason}. {seeds}."


def average(probabilities: Sequence[NDArray[np.float64]]) -> EnsemblePredictions:
    """Average the probabilities [num_images, num_classes] of several models."""
    stacked = np.stack(probabilities)
    mean = stacked.mean(axis=0)
    predicted = mean.argmax(axis=1)
    return EnsemblePredictions(predicted, mean, (stacked.argmax(axis=2) == predicted).sum(axis=0))


def load_ensemble(
    study: Path | Summary,
    *,
    recipe: str | None = None,
    seeds: Sequence[int] | None = None,
    trust: bool = False,
) -> Ensemble:
    """Load the models of a recipe of a study.

    Parameters
    ----------
    study
        A folder that `bakeoff run` wrote, or the summary of it.
    recipe
        By default the one that the study supports best: see `supported_recipe`.
    seeds
        By default all finished ones.
    trust
        Run the code that the recipe's model names, see `load_model`.

    Raises
    ------
    BakeoffError
        If it is not a study folder, has no such recipe or seed, or a model cannot be used.
    """
    summary = study if isinstance(study, Summary) else Summary(load_study_folder(study, whole=False))
    stored = summary.stored
    choice = choose_recipe(summary, recipe)
    finished = [run.seed for run in stored.runs_of(choice.name)]
    requested_seeds = finished if seeds is None else sorted(set(seeds))
    missing = [seed for seed in requested_seeds if seed not in finished]
    if missing or not requested_seeds:
        raise BakeoffError(
            f"{choice.name} has no finished run with seed {_list(missing) or '(none given)'}; "
            f"it has {_list(finished)}"
        )
    models = tuple(load_model(stored.root, choice.name, seed, trust=trust) for seed in requested_seeds)
    images = images_to_check(stored)
    for model in models:
        if model.class_names != stored.class_names or model.image_size != summary.data.image_size:
            raise BakeoffError(
                f"{stored.root} is a damaged study folder: the weights of {choice.name}, seed {model.seed}, "
                "are for other classes or another image size than its data.json"
            )
        if images is not None:
            check_reproduces(model, stored, images)
    return Ensemble(choice, models, summary, is_checked=images is not None)


def choose_recipe(summary: Summary, recipe: str | None = None) -> SupportedRecipe:
    """Choose the requested recipe, or the one that the study supports best.

    Raises
    ------
    BakeoffError
        If there is no such recipe, or no finished run of it.
    """
    stored = summary.stored
    names = [name for name in stored.study.recipes if stored.runs_of(name)]
    if not names:
        raise no_finished_run(stored.root)
    if recipe in names:
        return SupportedRecipe(recipe, "as requested")
    if recipe is not None:
        missing = "no finished run of recipe" if recipe in stored.study.recipes else "no recipe"
        raise BakeoffError(f"{stored.root} has {missing} {shorten(recipe)}; it has {', '.join(names)}")
    assert summary.comparison is not None  # there are finished runs
    return supported_recipe(summary.comparison, val_accuracies(stored))


def _list(numbers: Sequence[int]) -> str:
    """Write "0, 1, 2"; of many numbers only the first three and the last."""
    texts = [str(number) for number in numbers]
    return ", ".join(texts if len(texts) <= 12 else [*texts[:3], "...", texts[-1]])
