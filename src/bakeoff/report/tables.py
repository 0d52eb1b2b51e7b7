"""The tables of a report as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bakeoff.files import to_csv
from bakeoff.report.figures.confusion import row_shares


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


_RECIPE = (
    "name",
    "num_seeds",
    "accuracy",
    "low",
    "high",
    "seed_std",
    "floor_std",
    "binomial_se",
    "image_share",
)

_PAIR = (
    "a",
    "b",
    "compares",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "verdict",
    "p_outperform",
    "fixed",
    "broken",
    "seeds_needed",
    "images_needed",
)

_SCORES = ("ece", "brier", "log_loss")


def comparison_tables(comparison: Mapping[str, Any]) -> dict[str, str]:
    """Give the CSV text of each table by its name.

    The names are recipes, runs, classes, pairs, class_differences and calibration. Accuracies and
    differences are shares, 0..1; what is not known is empty. Tables without rows are left out.

    Parameters
    ----------
    comparison
        The content of comparison.json.
    """
    recipes, pairs = comparison["recipes"], comparison["pairs"]
    tables = {
        "recipes": (_RECIPE, recipes),
        "runs": (
            ("recipe", "seed", "accuracy", "low", "high"),
            [{**run, "recipe": recipe["name"]} for recipe in recipes for run in recipe["runs"]],
        ),
        "classes": (
            ("recipe", "name", "num_images", "accuracy", "low", "high"),
            [{**entry, "recipe": recipe["name"]} for recipe in recipes for entry in recipe["classes"]],
        ),
        "pairs": (_PAIR, pairs),
        "class_differences": (
            ("a", "b", "name", "num_images", "difference", "low", "high", "p", "p_fdr", "beyond_luck"),
            [{**entry, "a": pair["a"], "b": pair["b"]} for pair in pairs for entry in pair["classes"]],
        ),
        "calibration": (
            ("recipe", *(f"{score}{end}" for score in _SCORES for end in ("", "_low", "_high"))),
            [_calibration_row(recipe) for recipe in recipes if recipe["calibration"]],
        ),
    }
    return {name: _table(columns, rows) for name, (columns, rows) in tables.items() if rows}


def _table(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> str:
    complete = []
    for row in rows:
        low, high = row["interval"] if row.get("interval") else (None, None)
        complete.append({"low": low, "high": high, **row})
    return to_csv(columns, [[row.get(column) for column in columns] for row in complete])


def _calibration_row(recipe: Mapping[str, Any]) -> dict[str, Any]:
    row = {"recipe": recipe["name"]}
    for score in _SCORES:
        row[score] = recipe["calibration"][score]
        row[f"{score}_low"], row[f"{score}_high"] = recipe["calibration"][f"{score}_interval"]
    return row


def failure_tables(summary: Mapping[str, Any]) -> dict[str, str]:
    """Give the CSV text of each table by its name; shares and rates are in 0..1.

    Parameters
    ----------
    summary
        As `bakeoff.analysis.summary.summarize` gives it, with `failures`.
    """
    failures, classes = summary["failures"], summary["data"]["class_names"]
    tables = {
        "image_groups": to_csv(("group", "images"), failures["groups"]["counts"].items()),
        "confused_pairs": _pairs_by_name(
            ("recipe", "true", "predicted", "mean_count", "low", "high", "num_class_images", "share"),
            failures["confused_pairs"],
            classes,
        ),
        "confused_pair_differences": _pairs_by_name(
            (
                "true", "predicted", "recipe_a", "recipe_b", "mean_count_a", "mean_count_b",
                "difference", "low", "high", "p_value", "adjusted_p",
            ),
            failures["pair_differences"]["beyond_luck"],
            classes,
        ),
        "error_trends": to_csv(
            ("recipe", "fact", "lowest_value", "highest_value", "images", "error_rate", "low", "high"),
            (
                (
                    trend["recipe"], trend["fact"], quarter["lowest_value"], quarter["highest_value"],
                    quarter["num_images"], *quarter["error_rate"].values(),
                )
                for trend in failures["trends"]
                for quarter in trend["quarters"]
            ),
        ),
    }  # fmt: skip
    if failures["label_doubts"]:
        tables["doubtful_labels"] = _pairs_by_name(
            ("rank", "image_id", "label", "suggested", "label_probability", "suggested_probability"),
            failures["label_doubts"]["doubts"],
            classes,
        )
    return tables


_CLASS_COLUMNS = ("true", "predicted", "label", "suggested")


def _pairs_by_name(columns: tuple[str, ...], rows: list[dict[str, Any]], classes: list[str]) -> str:
    return to_csv(
        columns,
        (
            [classes[row[column]] if column in _CLASS_COLUMNS else row[column] for column in columns]
            for row in rows
        ),
    )
