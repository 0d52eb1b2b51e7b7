"""ComparisonResult: compared predictions as arrays, tables and figures."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.scores.own import Metric
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions
from bakeoff.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from bakeoff.report.figures.drawing import ReportFigure


class ComparisonResult:
    """Compared predictions; a notebook displays the comparison."""

    def __init__(self, predictions: Predictions, comparison: Comparison) -> None:
        self._predictions = predictions
        self._comparison = comparison

    @property
    def predictions(self) -> Predictions:
        """The predictions of every run for the test images."""
        return self._predictions

    @property
    def comparison(self) -> Comparison:
        """The comparison."""
        return self._comparison

    @property
    def class_names(self) -> tuple[str, ...]:
        """In label order."""
        return self.predictions.class_names

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """int64 [num_test_images]."""
        return self.predictions.labels

    def probabilities(self, recipe: str) -> NDArray[np.float32]:
        """float32 [num_seeds, num_test_images, num_classes] of a recipe's runs.

        Raises
        ------
        BakeoffError
            If there is no such recipe, or it has predicted classes only.
        """
        names = [of_recipe.name for of_recipe in self.predictions.recipes]
        if recipe not in names:
            raise BakeoffError(f"there is no recipe {recipe!r}; recipes: {', '.join(names)}")
        probabilities = self.predictions.recipe(recipe).probabilities
        if probabilities is None:
            raise BakeoffError(f"recipe {recipe!r} has predicted classes, no probabilities")
        return probabilities

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row per pair: a, b, difference (b - a by the metric), low, high, p_holm, verdict."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "a": pair.a,
                    "b": pair.b,
                    "difference": pair.difference,
                    "low": pair.interval[0],
                    "high": pair.interval[1],
                    "p_holm": pair.p_holm,
                    "verdict": pair.verdict,
                }
                for pair in self.comparison.pairs
            ]
        )

    def compare(self, metric: Metric) -> Comparison:
        """Compare the recipes by another metric, with the same baseline, margin and confidence.

        Parameters
        ----------
        metric
            The name of a score, such as "macro_f1", or a function, see `bakeoff.own_metric`.

        Raises
        ------
        BakeoffError
            If the metric is unknown or cannot be computed.
        """
        of = self.comparison
        return compare(
            self.predictions, metric=metric, baseline=of.baseline, margin=of.margin, confidence=of.confidence
        )

    @cached_property
    def figures(self) -> Mapping[str, ReportFigure]:
        """The report's figures by name, such as `comparison-differences`; a notebook can display them."""
        from bakeoff.report.figures.comparison import comparison_figures

        return {
            f"comparison-{name.replace('_', '-')}": figure
            for name, figure in comparison_figures(self.comparison).items()
        }

    def report(self, folder: str | Path) -> Path:
        """Write a report with figures and tables into a folder, and return the path of its page.

        Raises
        ------
        BakeoffError
            If the folder cannot be written, or holds something else than an earlier report.
        """
        from bakeoff.report.build import write_comparison_report

        return write_comparison_report(self.comparison, Path(folder))

    def __repr__(self) -> str:
        lines = [self._title()]
        scale = self.comparison.scale
        for recipe in self.comparison.recipes:
            lines.append(f"  {recipe.name}: {scale.value(recipe.score)} ({scale.interval(recipe.interval)})")
        notes = [f"note: {note}" for note in self.comparison.notes]
        return "\n".join([*lines, self.comparison.conclusion, *notes])

    def _title(self) -> str:
        num_runs = sum(recipe.num_seeds for recipe in self.predictions.recipes)
        return f"ComparisonResult: {counted(num_runs, 'run')}"

    def _repr_html_(self) -> str:
        """Show scores, differences and the conclusion in a notebook."""
        comparison = self.comparison
        scale = comparison.scale
        recipes = [
            (recipe.name, recipe.num_seeds, scale.number(recipe.score), scale.interval(recipe.interval))
            for recipe in comparison.recipes
        ]
        pairs = [
            (
                f"{pair.b} − {pair.a}",
                scale.number(pair.difference),
                scale.interval(pair.interval),
                pair.verdict,
            )
            for pair in comparison.pairs
        ]
        interval = f"{100 * comparison.confidence:g} % interval"
        tables = html_table(("recipe", "seeds", scale.heading, interval), recipes)
        if pairs:
            unit = "points" if scale.unit == "%" else scale.heading
            tables += html_table(("difference", unit, interval, "verdict"), pairs)
        return f"{tables}<p>{html.escape(comparison.conclusion)}</p>"


def html_table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """Build a table for a notebook, with everything escaped."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
