"""The tables of a report as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from typing import Any

import numpy as np

from bakeoff.analysis.comparison.result import ClassAccuracy, Comparison
from bakeoff.analysis.comparison.tuning import Tuning
from bakeoff.analysis.failures.confusion import row_shares
from bakeoff.analysis.learning_curve.curve import LearningCurve
from bakeoff.analysis.statistics.calibration import Calibration
from bakeoff.analysis.summary.failures import FailureSummary
from bakeoff.analysis.summary.recipes import FinishedRecipe
from bakeoff.analysis.summary.study import Summary
from bakeoff.files import to_csv

Row = tuple[Any, ...]


def report_tables(summary: Summary) -> dict[str, str]:
    """Return the CSV text of each table by name; accuracies and shares are in 0..1, times in seconds."""
    recipes, finished, classes = summary.recipes, summary.finished, summary.stored.class_names
    settings = list(dict.fromkeys(key for recipe in recipes for key in recipe.settings))
    counts, costs = summary.data.counts, summary.costs.to_dict()["recipes"] if summary.costs else []
    return {
        "runs": to_csv(
            ("recipe", "seed", "test_accuracy", "checkpoint_epoch", "training_seconds", "parameters"),
            (
                (recipe.name, *row, recipe.results.num_parameters)
                for recipe in finished
                for row in zip(
                    recipe.results.seeds,
                    recipe.results.accuracies,
                    recipe.results.checkpoint_epochs,
                    recipe.results.training_seconds,
                    strict=True,
                )
            ),
        ),
        "costs": to_csv(
            ("recipe", "parameters", "multiply_accumulates", "milliseconds_per_image", "training_seconds"),
            (tuple(cost.values()) for cost in costs),
        ),
        "curves": to_csv(
            ("recipe", "seed", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"),
            (row for recipe in finished for row in _curve_rows(recipe)),
        ),
        "class_accuracies": to_csv(
            ("class", *(f"{recipe.name} {column}" for recipe in finished for column in ("mean", "sd"))),
            (
                (
                    class_name,
                    *(
                        column[label]
                        for recipe in finished
                        for accuracies in [recipe.results.class_accuracies]
                        for column in (accuracies.mean, accuracies.sd)
                    ),
                )
                for label, class_name in enumerate(classes)
            ),
        ),
        "confusion": to_csv(
            ("recipe", "true", "predicted", "mean_count", "row_share"),
            (row for recipe in finished for row in _confusion_rows(recipe, classes)),
        ),
        "failed_cases": to_csv(
            ("recipe", "image", *_CASE),
            (
                (described.case.recipe, described.case.image_id, *_cells(described.case, _CASE, classes))
                for described in summary.failed_cases
            ),
        ),
        "failed_runs": to_csv(
            ("recipe", "seed", "reason"),
            (
                (recipe.name, failure.seed, failure.reason)
                for recipe in recipes
                for failure in recipe.failures
            ),
        ),
        "images": to_csv(
            ("class", *counts),
            zip(classes, *counts.values(), strict=True),
        ),
        "settings": to_csv(
            ("setting", *(recipe.name for recipe in recipes)),
            ((key, *(recipe.settings.get(key) for recipe in recipes)) for key in settings),
        ),
    }


_CASE = (
    "true", "predicted", "num_seeds", "num_wrong", "num_predicted", "true_probability",
    "predicted_probability", "confusion_count", "num_class_images",
)  # fmt: skip


def learning_curve_table(curve: LearningCurve) -> str:
    """Return the CSV text of a learning curve: one row per recipe and number of training images."""
    return to_csv(("recipe", "training_images", "kind", "seeds", "score", "low", "high"), curve.rows)


def tuning_tables(tuning: Tuning) -> dict[str, str]:
    """Return the CSV text of the trials, one row per trial and setting, and of the expected best scores."""
    return {
        "trials": to_csv(
            ("recipe", "trial", "setting", "value", "score", "chosen", "seconds", "reason"),
            (
                (
                    recipe.name,
                    trial.number,
                    key,
                    value,
                    trial.score,
                    trial is recipe.chosen,
                    trial.seconds,
                    trial.reason,
                )
                for recipe in tuning.recipes
                for trial in recipe.trials
                for key, value in trial.values.items()
            ),
        ),
        "expected_best": to_csv(
            ("recipe", "trials", "expected_best", "low", "high"),
            (
                (recipe.name, number, *row)
                for recipe in tuning.recipes
                if recipe.expected
                for number, row in enumerate(
                    zip(recipe.expected.mean, recipe.expected.low, recipe.expected.high, strict=True), start=1
                )
            ),
        ),
    }


def _curve_rows(recipe: FinishedRecipe) -> Iterator[Row]:
    curves = recipe.results.curves
    columns = (curves.train_loss, curves.train_accuracy, curves.val_loss, curves.val_accuracy)
    for place, seed in enumerate(recipe.results.seeds):
        for row in zip(curves.epoch, *(column.per_seed[place] for column in columns), strict=True):
            if not all(isnan(value) for value in row[1:]):  # the run stopped earlier
                yield recipe.name, seed, *row


def _confusion_rows(recipe: FinishedRecipe, classes: Sequence[str]) -> Iterator[Row]:
    counts = recipe.results.confusion.mean
    shares = row_shares(counts)
    for true, predicted in np.ndindex(counts.shape):
        cell = true, predicted
        yield recipe.name, classes[true], classes[predicted], counts[cell], shares[cell]


_RECIPE = (
    "name", "num_seeds", "accuracy", "score", "low", "high", "seed_std", "floor_std", "binomial_se",
    "image_share",
)  # fmt: skip

_PAIR = (
    "a", "b", "compares", "difference", "low", "high", "p", "p_holm", "verdict", "p_outperform",
    "fixed", "broken", "seeds_needed", "images_needed",
)  # fmt: skip

_RUN = ("seed", "accuracy", "score", "low", "high")

_CLASS = ("name", "num_images", "accuracy", "low", "high")

_CLASS_DIFFERENCE = ("name", "num_images", "difference", "low", "high", "p", "p_fdr", "beyond_luck")

_OF_CLASS = ("precision", "recall", "f1")

_ENDS = ("", "_low", "_high")

_CALIBRATION = (
    *(f"gap{end}" for end in _ENDS),
    *("ece", "ece_if_calibrated"),
    *(f"{score}{end}" for score in ("brier", "log_loss") for end in _ENDS),
)


def comparison_tables(comparison: Comparison) -> dict[str, str]:
    """Return the CSV text of each table by name.

    The names are recipes, runs, classes, class_scores, scores, pairs, class_differences and calibration.
    Accuracies and scores that are shares are in 0..1; unknown values are empty. Tables without rows are
    omitted.
    """
    recipes, pairs = comparison.recipes, comparison.pairs
    tables = {
        "recipes": (_RECIPE, [_cells(recipe, _RECIPE) for recipe in recipes]),
        "runs": (
            ("recipe", *_RUN),
            [(recipe.name, *_cells(run, _RUN)) for recipe in recipes for run in recipe.runs],
        ),
        "classes": (
            ("recipe", *_CLASS),
            [(recipe.name, *_cells(entry, _CLASS)) for recipe in recipes for entry in recipe.classes],
        ),
        "class_scores": (
            ("recipe", "class", "support", *(f"{name}{end}" for name in _OF_CLASS for end in _ENDS)),
            [
                (recipe.name, entry.name, entry.num_images, *_of_class(entry))
                for recipe in recipes
                for entry in recipe.classes
                if entry.precision is not None
            ],
        ),
        "scores": (
            ("recipe", "metric", "decides", "score", "low", "high"),
            [
                (recipe.name, name, "yes" if name == comparison.metric else "no", score, *interval)
                for recipe in recipes
                for name, score, interval in (
                    (comparison.metric, recipe.score, recipe.interval),
                    *((other.name, other.score, other.interval) for other in recipe.secondary),
                )
            ],
        ),
        "pairs": (_PAIR, [_cells(pair, _PAIR) for pair in pairs]),
        "class_differences": (
            ("a", "b", *_CLASS_DIFFERENCE),
            [(pair.a, pair.b, *_cells(entry, _CLASS_DIFFERENCE)) for pair in pairs for entry in pair.classes],
        ),
        "calibration": (
            ("recipe", *_CALIBRATION),
            [
                (recipe.name, *_calibration_cells(recipe.calibration))
                for recipe in recipes
                if recipe.calibration
            ],
        ),
    }
    return {name: to_csv(columns, rows) for name, (columns, rows) in tables.items() if rows}


def _of_class(entry: ClassAccuracy) -> Row:
    unknown = (None, None)
    return (
        *(entry.precision, *(entry.precision_interval or unknown)),
        *(entry.accuracy, *entry.interval),
        *(entry.f1, *(entry.f1_interval or unknown)),
    )


def _calibration_cells(calibration: Calibration) -> tuple[float, ...]:
    return (
        *(calibration.gap, *calibration.gap_interval),
        *(calibration.ece, calibration.ece_if_calibrated),
        *(calibration.brier, *calibration.brier_interval),
        *(calibration.log_loss, *calibration.log_loss_interval),
    )


def failure_tables(failures: FailureSummary) -> dict[str, str]:
    """Return the CSV text of each table by name; shares and rates are in 0..1."""
    evidence = failures.evidence
    classes, ids = evidence.predictions.class_names, evidence.predictions.image_ids
    tables = {
        "image_groups": to_csv(("group", "images"), evidence.groups.counts.items()),
        "confused_pairs": to_csv(
            _CONFUSED_PAIR, (_cells(pair, _CONFUSED_PAIR, classes) for pair in failures.confused_pairs)
        ),
        "confused_pair_differences": to_csv(
            _PAIR_DIFFERENCE,
            (_cells(pair, _PAIR_DIFFERENCE, classes) for pair in failures.pair_differences.beyond_luck),
        ),
        "error_trends": to_csv(
            ("recipe", "fact", *_QUARTER, "images", "error_rate", "low", "high"),
            (
                (trend.recipe, trend.fact.name, *_cells(quarter, _QUARTER), quarter.num_images, *rate)
                for trend in failures.trends
                for quarter in trend.quarters
                for rate in [_cells(quarter.error_rate, ("value", "low", "high"))]
            ),
        ),
    }
    tables["error_differences"] = to_csv(
        ("recipe", "quarter", "within_class", "low", "high", *_END, "significant"),
        (
            (
                recipe,
                row.name,
                *_cells(end.within_class, ("value", "low", "high")),
                *_cells(end, _END),
                "yes" if recipe in row.significant else "no",
            )
            for row in failures.properties
            for recipe, end in row.ends.items()
        ),
    )
    if evidence.doubts:
        tables["doubtful_labels"] = to_csv(
            ("rank", "image_id", *_DOUBT),
            (
                (doubt.rank, ids[doubt.index], *_cells(doubt, _DOUBT, classes))
                for doubt in evidence.doubts.doubts
            ),
        )
    return tables


_CONFUSED_PAIR = ("recipe", "true", "predicted", "mean_count", "low", "high", "num_class_images", "share")

_PAIR_DIFFERENCE = (
    "true", "predicted", "recipe_a", "recipe_b", "mean_count_a", "mean_count_b",
    "difference", "low", "high", "p_value", "adjusted_p",
)  # fmt: skip

_QUARTER = ("lowest_value", "highest_value")

_END = ("num_images", "p_value", "adjusted_p")

_DOUBT = ("label", "suggested", "label_probability", "suggested_probability")

_CLASS_COLUMNS = ("true", "predicted", "label", "suggested")
"""Fields that hold a class by its index."""


def _cells(row: object, columns: tuple[str, ...], classes: Sequence[str] = ()) -> Row:
    """The fields of a result by their names; `low` and `high` may be the ends of its `interval`."""
    ends = dict(zip(("low", "high"), getattr(row, "interval", ()), strict=False))
    cells = (ends[column] if column in ends else getattr(row, column) for column in columns)
    return tuple(
        classes[cell] if column in _CLASS_COLUMNS else cell
        for column, cell in zip(columns, cells, strict=True)
    )
