"""The summary of a study: everything that a report shows, as numbers; the content of summary.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.of_study import compare_study, study_looks
from bakeoff.analysis.failures.confusion import RecipeConfusion, confusions
from bakeoff.analysis.failures.evidence import FailureEvidence
from bakeoff.analysis.failures.summary import chosen_cases, summarize_failures
from bakeoff.predictions import Predictions
from bakeoff.study.recipe import flatten_settings

if TYPE_CHECKING:
    from bakeoff.store import StoredRun, StoredStudy
    from bakeoff.study import Published


@dataclass(frozen=True)
class RecipeScore:
    """Test accuracies of one recipe's runs.

    Attributes
    ----------
    recipe
        The recipe's name.
    seeds
        One per run, ascending.
    accuracy
        float [num_seeds], share of test images classified rightly, 0..1.
    """

    recipe: str
    seeds: tuple[int, ...]
    accuracy: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """The mean over seeds, 0..1."""
        return float(self.accuracy.mean())

    @property
    def sd(self) -> float:
        """The standard deviation over seeds (n - 1); NaN with one seed."""
        return float(self.accuracy.std(ddof=1)) if len(self.accuracy) > 1 else float("nan")


def scores(predictions: Predictions) -> tuple[RecipeScore, ...]:
    """Give the test accuracies of every recipe, in the study's order."""
    return tuple(
        RecipeScore(recipe.name, recipe.seeds, predictions.correct(recipe.name).mean(axis=1))
        for recipe in predictions.recipes
    )


SUMMARY_VERSION = 1
"""Of the summary's form; raised when a key changes its meaning."""

CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


def summarize(stored: StoredStudy, evidence: FailureEvidence | None) -> dict[str, Any]:
    """Reduce a study folder to the numbers of its report.

    Parameters
    ----------
    stored
        All results; recipes without a finished run are summarised by their failures alone.
    evidence
        From `study_evidence(stored)`.

    Returns
    -------
    dict
        JSON-able, without NaN or infinity (None instead); accuracies in 0..1, times in seconds, classes as
        indices into `data.class_names`:

        - `study`: name, description, seeds asked for, until, max_seeds, baseline, margin, confidence;
        - `data`, `environment`, `audit` (None where the images were not checked): as stored;
        - `recipes`, a list in the study's order: `settings`, `failures`, `missing_seeds`, `published`, and
          `results`: None without a finished run, else accuracies, class accuracies, confusion counts, curves
          and costs, per seed and over seeds;
        - `failed_cases`: one for each recipe and class with a wrongly classified image, with its `findings`;
        - `failures`: as `summarize_failures` gives it; None without a finished run;
        - `comparison`: as `Comparison.to_dict` gives it; None without a finished run.
    """
    study, predictions = stored.study, stored.predictions()
    looks = study_looks(stored, predictions)
    comparison = compare_study(stored, predictions, looks)
    found = {
        score.recipe: (score, confusion)
        for score, confusion in zip(scores(predictions), confusions(predictions), strict=True)
    }
    recipes = []
    for name, recipe in study.recipes.items():
        runs = stored.runs_of(name)
        failures = [failure for failure in stored.failures if failure.recipe == name]
        recipes.append(
            {
                "name": name,
                "settings": flatten_settings(recipe),
                "failures": [{"seed": failure.seed, "reason": failure.reason} for failure in failures],
                "missing_seeds": stored.missing_seeds(name, looks.wanted[name] if looks else study.seeds),
                "published": _published(study.published.get(name), stored.class_names),
                "results": _results(*found[name], runs) if name in found else None,
            }
        )
    summary: dict[str, Any] = _jsonable(
        {
            "summary_version": SUMMARY_VERSION,
            "study": {
                "name": study.name,
                "description": study.description,
                "seeds": study.seeds,
                "until": study.until,
                "max_seeds": study.most_seeds,
                "baseline": study.baseline,
                "margin": study.margin,
                "confidence": study.confidence,
            },
            "data": stored.data,
            "environment": stored.environment,
            "audit": stored.audit,
            "recipes": recipes,
            "failed_cases": chosen_cases(evidence) if evidence else [],
            "failures": summarize_failures(evidence, looks.level if looks else 0.95) if evidence else None,
            "comparison": comparison.to_dict() if comparison else None,
        }
    )
    return summary


def _results(score: RecipeScore, confusion: RecipeConfusion, runs: tuple[StoredRun, ...]) -> dict[str, Any]:
    seconds = np.array([run.seconds for run in runs])
    return {
        "seeds": score.seeds,
        "accuracies": score.accuracy,
        "mean": score.mean,
        "sd": score.sd,
        "class_accuracies": {
            "mean": confusion.class_accuracy_mean,
            "sd": confusion.class_accuracy_sd,
            "per_seed": confusion.class_accuracy,
        },
        "confusion": {"mean": confusion.mean_counts, "per_seed": confusion.counts},
        "curves": {"epoch": runs[0].history["epoch"].astype(int)}
        | {column: _curve(runs, column) for column in CURVES},
        "checkpoint_epochs": [run.checkpoint_epoch for run in runs],
        "training_seconds": seconds,
        "mean_training_seconds": seconds.mean(),
        "num_parameters": runs[0].num_parameters,
        "devices": [run.device for run in runs],
    }


def _curve(runs: tuple[StoredRun, ...], column: str) -> dict[str, Any]:
    values = np.stack([run.history[column] for run in runs])
    return {"mean": values.mean(axis=0), "per_seed": values}


def _published(published: Published | None, class_names: tuple[str, ...]) -> dict[str, Any] | None:
    """Published numbers, class accuracies in label order and losses by ascending epoch."""
    if published is None:
        return None
    return {
        "test_accuracy": published.test_accuracy,
        "test_images": published.test_images,
        "class_accuracies": [published.class_accuracies.get(name) for name in class_names]
        if published.class_accuracies
        else None,
        "train_loss": [
            {"epoch": int(epoch), "value": value}
            for epoch, value in sorted(published.train_loss.items(), key=lambda item: int(item[0]))
        ],
        "source": published.source,
    }


def _jsonable(value: Any) -> Any:
    """The same with dicts, lists and Python's own numbers only, None for what is not finite."""
    if isinstance(value, Mapping):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _jsonable(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, np.generic):
        return _jsonable(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
