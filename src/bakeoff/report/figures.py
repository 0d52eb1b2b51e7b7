"""study_figures(): every figure of a study's report, by the name of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.report.comparison_figures import comparison_figures
from bakeoff.report.confusion_figures import class_accuracy_figure, confusion_figures
from bakeoff.report.curve_figures import curve_figures
from bakeoff.report.drawing import ReportFigure


def study_figures(summary: Mapping[str, Any]) -> dict[str, ReportFigure]:
    """Draw loss and accuracy curves, confusion matrices, class accuracies and the comparison.

    Parameters
    ----------
    summary
        From `summarize`.

    Returns
    -------
    dict of ReportFigure
        `loss-RECIPE`, `accuracy-RECIPE`, `confusion-RECIPE`, `class-accuracies`, `comparison-...`; empty
        where no run is finished.
    """
    finished = [recipe for recipe in summary["recipes"] if recipe["results"]]
    if not finished:
        return {}
    class_names = summary["data"]["class_names"]
    figures = {
        f"{quantity}-{name}": figure
        for name, pair in curve_figures(finished).items()
        for quantity, figure in pair.items()
    }
    for name, figure in confusion_figures(finished, class_names).items():
        figures[f"confusion-{name}"] = figure
    figures["class-accuracies"] = class_accuracy_figure(finished, class_names)
    for name, figure in comparison_figures(summary["comparison"]).items():
        figures[f"comparison-{name.replace('_', '-')}"] = figure
    return figures
