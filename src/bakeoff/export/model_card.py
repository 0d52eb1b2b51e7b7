"""The model card: a description of a model and its measured accuracy, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.result import ClassAccuracy, RecipeResult
from bakeoff.analysis.failures.confused_pairs import confused_pairs
from bakeoff.analysis.statistics.wilson import wilson_interval
from bakeoff.analysis.summary.answer import grave_findings, suspected, val_accuracy
from bakeoff.predict.ensemble import Ensemble, average
from bakeoff.predictions import Predictions
from bakeoff.study.recipe import flatten_settings
from bakeoff.templates import markdown, render
from bakeoff.text import counted, interval_points, points, printable

MOST_CONFUSIONS = 10


def model_card(
    ensemble: Ensemble,
    *,
    choice: str,
    digests: Mapping[str, str],
    difference: float,
    num_checked: int,
    license_name: str | None = None,
) -> str:
    """Write the model card of an exported model.

    Parameters
    ----------
    ensemble
        The models: one, or all of a recipe.
    choice
        The reason for their choice.
    digests
        SHA-256 by file name.
    difference, num_checked
        The difference between ONNX Runtime and PyTorch, and on how many images.
    license_name
        Of the model, as Hugging Face names it, for the head of the card.
    """
    summary, study = ensemble.summary, ensemble.summary.stored
    predictions, comparison = summary.predictions, summary.comparison
    assert comparison is not None  # the models are of finished runs
    result = next(recipe for recipe in comparison.recipes if recipe.name == ensemble.recipe)
    runs = [run for run in study.runs_of(ensemble.recipe) if run.seed in ensemble.seeds]
    predicted = _predicted(ensemble, predictions)
    right = predicted == predictions.labels
    classes = _classes(predictions, right, result, comparison.confidence)
    variables = {
        "license_name": license_name,
        "study": study.study,
        "ensemble": ensemble,
        "settings": flatten_settings(ensemble.models[0].settings),
        "choice": choice,
        "data": summary.data,
        "num_images": {split: sum(counts) for split, counts in summary.data.counts.items()},
        "num_parameters": runs[0].num_parameters,
        "runs": [(run.seed, run.checkpoint_epoch, val_accuracy(run)) for run in runs],
        "accuracy": float(right.mean()),
        "interval": wilson_interval(int(right.sum()), len(right), comparison.confidence),
        "comparison": comparison,
        "result": result,
        "recipe_accuracy": result.other("accuracy") or result,
        "classes": classes,
        "weakest": min(classes, key=lambda row: row.accuracy),
        "confusions": _confusions(predictions, predicted, ensemble.recipe),
        "troubles": [
            *(finding["sentence"] for finding in grave_findings(study.audit)),
            *suspected(study.audit),
        ],
        "audited": study.audit is not None,
        "environment": study.environment,
        "digests": digests,
        "difference": f"{difference:.1g}",
        "checked": counted(num_checked, "test image"),
        "version": version("bakeoff"),
    }
    filters: dict[str, Callable[..., str]] = {
        "plain": markdown,
        "yaml": _yaml,
        "points": points,
        "interval": interval_points,
        "count": lambda number: f"{number:,}",
    }
    return render("bakeoff.export", "model_card.md.j2", variables, filters)


def _yaml(value: object) -> str:
    """A value for the head of the card: what is JSON is YAML."""
    return json.dumps(printable(value) if isinstance(value, str) else value, ensure_ascii=False)


def _predicted(ensemble: Ensemble, predictions: Predictions) -> NDArray[np.int64]:
    """The predictions of the exported models for the test images, from the stored logits."""
    recipe = predictions.recipe(ensemble.recipe)
    assert recipe.probabilities is not None  # a study folder contains logits
    chosen = [recipe.seeds.index(seed) for seed in ensemble.seeds]
    return average([recipe.probabilities[index].astype(np.float64) for index in chosen]).predicted


@dataclass(frozen=True)
class ClassRow:
    """The accuracy of this model and of its recipe on the test images of a class."""

    name: str
    num_images: int
    accuracy: float
    interval: tuple[float, float]
    recipe: ClassAccuracy


def _classes(
    predictions: Predictions, right: NDArray[np.bool_], result: RecipeResult, confidence: float
) -> list[ClassRow]:
    """One row per class with test images."""
    rows = []
    for of_recipe in result.classes:
        of_class = right[predictions.labels == predictions.class_names.index(of_recipe.name)]
        interval = wilson_interval(int(of_class.sum()), len(of_class), confidence)
        rows.append(ClassRow(of_recipe.name, len(of_class), float(of_class.mean()), interval, of_recipe))
    return rows


@dataclass(frozen=True)
class ConfusionRow:
    """How often this model confuses two classes, and the interval of its recipe."""

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
