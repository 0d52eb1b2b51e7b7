"""The model card: what a model is and what was measured of it, in Markdown, from the stored results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from bakeoff.analysis.comparison.of_study import compare_study
from bakeoff.analysis.comparison.result import Comparison
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
    study = ensemble.study
    predictions = study.predictions()
    comparison = compare_study(study, predictions)
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
    classes = _classes(predictions, right, comparison, ensemble.recipe)
    return template.get_template("model_card.md.j2").render(
        study=study.study,
        ensemble=ensemble,
        settings=flatten_settings(ensemble.models[0].settings),
        choice=choice,
        data=study.data,
        num_images={split: sum(counts) for split, counts in study.data["counts"].items()},
        num_parameters=runs[0].num_parameters,
        runs=[(run.seed, run.checkpoint_epoch, val_accuracy(run)) for run in runs],
        accuracy=float(right.mean()),
        interval=wilson_interval(int(right.sum()), len(right), comparison.confidence),
        comparison=comparison,
        result=result,
        classes=classes,
        weakest=min(classes, key=lambda row: row["accuracy"]),
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


def _classes(
    predictions: Predictions, right: NDArray[np.bool_], comparison: Comparison, recipe: str
) -> list[dict[str, Any]]:
    """For each class with test images, how often this model and its recipe recognise it."""
    of_recipe = {
        found.name: found
        for result in comparison.recipes
        if result.name == recipe
        for found in result.classes
    }
    rows = []
    for label, name in enumerate(predictions.class_names):
        of_class = right[predictions.labels == label]
        if len(of_class):
            interval = wilson_interval(int(of_class.sum()), len(of_class), comparison.confidence)
            rows.append(
                {
                    "name": name,
                    "num_images": len(of_class),
                    "accuracy": float(of_class.mean()),
                    "interval": interval,
                    "recipe": of_recipe[name],
                }
            )
    return rows


def _confusions(predictions: Predictions, predicted: NDArray[np.int64], recipe: str) -> list[dict[str, Any]]:
    """The recipe's most frequent confusions, with the count of this model."""
    return [
        {
            "true": predictions.class_names[pair.true],
            "predicted": predictions.class_names[pair.predicted],
            "count": int((predicted[predictions.labels == pair.true] == pair.predicted).sum()),
            "num_images": pair.num_class_images,
            "mean_count": pair.mean_count,
            "low": max(pair.low, 0.0),
            "high": pair.high,
        }
        for pair in confused_pairs(predictions, MOST_CONFUSIONS)[recipe]
    ]
