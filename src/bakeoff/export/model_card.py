"""The model card: what a model is and what was measured of it, in Markdown, from the stored results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from bakeoff.analysis.comparison.result import ClassAccuracy, RecipeResult
from bakeoff.analysis.failures.confused_pairs import confused_pairs
from bakeoff.analysis.statistics.wilson import wilson_interval
from bakeoff.predict.ensemble import Ensemble, average, val_accuracy
from bakeoff.predictions import Predictions
from bakeoff.study.recipe import flatten_settings
from bakeoff.text import counted, interval_points, points, printable

MOST_CONFUSIONS = 10


def model_card(
    ensemble: Ensemble, *, choice: str, digests: Mapping[str, str], difference: float, num_checked: int
) -> str:
    """Write the model card of what is exported.

    Parameters
    ----------
    ensemble
        The models: one, or all of a recipe.
    choice
        Why these.
    digests
        SHA-256 by file name.
    difference, num_checked
        Between ONNX Runtime and PyTorch, on how many images.
    """
    summary, study = ensemble.summary, ensemble.summary.stored
    predictions, comparison = summary.predictions, summary.comparison
    assert comparison is not None  # the models are of finished runs
    result = next(recipe for recipe in comparison.recipes if recipe.name == ensemble.recipe)
    runs = [run for run in study.runs_of(ensemble.recipe) if run.seed in ensemble.seeds]
    predicted = _predicted(ensemble, predictions)
    right = predicted == predictions.labels
    template = Environment(
        loader=PackageLoader("bakeoff.export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown: names go through the filter `plain`
        keep_trailing_newline=True,
    )
    template.filters |= {
        "plain": plain,
        "points": points,
        "interval": interval_points,
        "count": lambda number: f"{number:,}",
    }
    classes = _classes(predictions, right, result, comparison.confidence)
    return template.get_template("model_card.md.j2").render(
        study=study.study,
        ensemble=ensemble,
        settings=flatten_settings(ensemble.models[0].settings),
        choice=choice,
        data=summary.data,
        num_images={split: sum(counts) for split, counts in summary.data.counts.items()},
        num_parameters=runs[0].num_parameters,
        runs=[(run.seed, run.checkpoint_epoch, val_accuracy(run)) for run in runs],
        accuracy=float(right.mean()),
        interval=wilson_interval(int(right.sum()), len(right), comparison.confidence),
        comparison=comparison,
        result=result,
        classes=classes,
        weakest=min(classes, key=lambda row: row.accuracy),
        confusions=_confusions(predictions, predicted, ensemble.recipe),
        troubles=[
            finding["sentence"]
            for finding in (study.audit or {"findings": []})["findings"]
            if finding["severity"] in ("leak", "conflict")
        ],
        audited=study.audit is not None,
        environment=study.environment,
        digests=digests,
        difference=f"{difference:.1g}",
        checked=counted(num_checked, "test image"),
        version=version("bakeoff"),
    )


def plain(text: object) -> str:
    """Write a text so that Markdown shows it as it is, on one line."""
    shown = printable(str(text)).replace("\n", "\\n")
    return re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", shown)


def _predicted(ensemble: Ensemble, predictions: Predictions) -> NDArray[np.int64]:
    """What the exported models say of the test images, from what evaluation stored."""
    recipe = predictions.recipe(ensemble.recipe)
    assert recipe.probabilities is not None  # a study folder keeps logits
    chosen = [recipe.seeds.index(seed) for seed in ensemble.seeds]
    return average([recipe.probabilities[index].astype(np.float64) for index in chosen]).predicted


@dataclass(frozen=True)
class ClassRow:
    """How often this model and its recipe recognize the test images of a class."""

    name: str
    num_images: int
    accuracy: float
    interval: tuple[float, float]
    recipe: ClassAccuracy


def _classes(
    predictions: Predictions, right: NDArray[np.bool_], result: RecipeResult, confidence: float
) -> list[ClassRow]:
    """A row for each class with test images."""
    rows = []
    for of_recipe in result.classes:
        of_class = right[predictions.labels == predictions.class_names.index(of_recipe.name)]
        interval = wilson_interval(int(of_class.sum()), len(of_class), confidence)
        rows.append(ClassRow(of_recipe.name, len(of_class), float(of_class.mean()), interval, of_recipe))
    return rows


@dataclass(frozen=True)
class ConfusionRow:
    """How often this model takes a class for another, and the interval of its recipe."""

    true: str
    predicted: str
    count: int
    num_images: int
    mean_count: float
    low: float
    high: float


def _confusions(predictions: Predictions, predicted: NDArray[np.int64], recipe: str) -> list[ConfusionRow]:
    """The recipe's most frequent confusions."""
    return [
        ConfusionRow(
            true=predictions.class_names[pair.true],
            predicted=predictions.class_names[pair.predicted],
            count=int((predicted[predictions.labels == pair.true] == pair.predicted).sum()),
            num_images=pair.num_class_images,
            mean_count=pair.mean_count,
            low=max(pair.low, 0.0),
            high=pair.high,
        )
        for pair in confused_pairs(predictions, MOST_CONFUSIONS)[recipe]
    ]
