"""The tables of a report as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bakeoff.files import to_csv
from bakeoff.report.confusion_figures import row_shares


def report_tables(summary: Mapping[str, Any]) -> dict[str, str]:
    """Give the CSV text of each table by its name; accuracies and shares are in 0..1, times in seconds.

    Parameters
    ----------
    summary
        As `bakeoff.analysis.summary.summarize` gives it.
    """
    recipes, classes = summary["recipes"], summary["data"]["class_names"]
    done = [(recipe["name"], recipe["results"]) for recipe in recipes if recipe["results"]]
    settings = list(dict.fromkeys(key for recipe in recipes for key in recipe["settings"]))
    counts = summary["data"]["counts"]
    return {
        "runs": to_csv(
            ("recipe", "seed", "test_accuracy", "checkpoint_epoch", "training_seconds", "parameters"),
            (
                (name, *row, results["num_parameters"])
                for name, results in done
                for row in zip(
                    results["seeds"],
                    results["accuracies"],
                    results["checkpoint_epochs"],
                    results["training_seconds"],
                    strict=True,
                )
            ),
        ),
        "curves": to_csv(
            ("recipe", "seed", "epoch", *_CURVES),
            (row for name, results in done for row in _curve_rows(name, results)),
        ),
        "class_accuracies": to_csv(
            ("class", *(f"{name} {column}" for name, _ in done for column in ("mean", "sd"))),
            (
                (
                    class_name,
                    *(
                        results["class_accuracies"][key][label]
                        for _, results in done
                        for key in ("mean", "sd")
                    ),
                )
                for label, class_name in enumerate(classes)
            ),
        ),
        "confusion": to_csv(
            ("recipe", "true", "predicted", "mean_count", "row_share"),
            (row for name, results in done for row in _confusion_rows(name, results, classes)),
        ),
        "failed_cases": to_csv(
            ("recipe", "image", "true", "predicted", *_CASE),
            (
                (
                    case["recipe"],
                    case["image_id"],
                    classes[case["true"]],
                    classes[case["predicted"]],
                    *(case[key] for key in _CASE),
                )
                for case in summary["failed_cases"]
            ),
        ),
        "failed_runs": to_csv(
            ("recipe", "seed", "reason"),
            (
                (recipe["name"], failure["seed"], failure["reason"])
                for recipe in recipes
                for failure in recipe["failures"]
            ),
        ),
        "images": to_csv(
            ("class", *counts),
            (
                (class_name, *(counts[split][label] for split in counts))
                for label, class_name in enumerate(classes)
            ),
        ),
        "settings": to_csv(
            ("setting", *(recipe["name"] for recipe in recipes)),
            ((key, *(recipe["settings"].get(key) for recipe in recipes)) for key in settings),
        ),
    }


_CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
_CASE = (
    "num_seeds",
    "num_wrong",
    "num_predicted",
    "true_probability",
    "predicted_probability",
    "confusion_count",
    "num_class_images",
)


def _curve_rows(name: str, results: Mapping[str, Any]) -> Iterable[Sequence[Any]]:
    for place, seed in enumerate(results["seeds"]):
        columns = [results["curves"][column]["per_seed"][place] for column in _CURVES]
        for epoch, *values in zip(results["curves"]["epoch"], *columns, strict=True):
            yield name, seed, epoch, *values


def _confusion_rows(name: str, results: Mapping[str, Any], classes: Sequence[str]) -> Iterable[Sequence[Any]]:
    counts = results["confusion"]["mean"]
    shares = row_shares(counts)
    for true, row in enumerate(counts):
        for predicted, mean_count in enumerate(row):
            yield name, classes[true], classes[predicted], mean_count, float(shares[true, predicted])
