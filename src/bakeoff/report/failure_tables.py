"""The tables about failures as CSV: groups, confused pairs, trends, doubtful labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.files import to_csv


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
        "confused_pairs": _table(
            ("recipe", "true", "predicted", "mean_count", "low", "high", "num_class_images", "share"),
            failures["confused_pairs"],
            classes,
        ),
        "confused_pair_differences": _table(
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
        tables["doubtful_labels"] = _table(
            ("rank", "image_id", "label", "suggested", "label_probability", "suggested_probability"),
            failures["label_doubts"]["doubts"],
            classes,
        )
    return tables


_CLASS_COLUMNS = ("true", "predicted", "label", "suggested")


def _table(columns: tuple[str, ...], rows: list[dict[str, Any]], classes: list[str]) -> str:
    return to_csv(
        columns,
        (
            [classes[row[column]] if column in _CLASS_COLUMNS else row[column] for column in columns]
            for row in rows
        ),
    )
