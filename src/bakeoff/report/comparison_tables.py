"""The tables of a comparison as CSV, from the content of comparison.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bakeoff.files import to_csv

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
