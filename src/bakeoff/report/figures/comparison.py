"""The figures of a comparison: forest plots of accuracies and differences, by class too, and reliability.

They read a `Comparison` and compute nothing. They are narrow, with labels above the intervals rather than
beside them, so that the same figure is legible on a phone and on a large screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.analysis.comparison.answer import Answer
from bakeoff.analysis.comparison.result import Comparison, PairResult, RecipeResult
from bakeoff.analysis.statistics.calibration import Calibration
from bakeoff.report.figures.drawing import (
    COLORS,
    GRAY,
    INK,
    MARKERS,
    PAPER,
    ReportFigure,
    drawing,
    drawn_text,
    finish,
    new_figure,
)
from bakeoff.text import counted, listed, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


WIDTH = 4.6
"""Inches; 331 units of SVG: on a phone, text of 9 points is still about 9 pixels high."""

MAX_PAIRS, MAX_CLASS_PAIRS, MAX_CLASSES = 20, 3, 15
"""A figure with more shows only the most significant ones, and its caption says so; the tables have all."""

FEW_CLASS_PAIRS, MAX_CLASS_ROWS = 2, 30
"""Pairs whose classes are drawn where there are more than `MAX_CLASS_PAIRS`; rows of all panels together."""


def comparison_figures(comparison: Comparison) -> dict[str, ReportFigure]:
    """Draw all figures of a comparison.

    Parameters
    ----------
    comparison
        The result.

    Returns
    -------
    dict of ReportFigure
        `accuracies` always (of the scores); `differences` and `class_differences` if there are pairs;
        `reliability` if there are probabilities.
    """
    with drawing():
        drawn = {"accuracies": _scores(comparison, comparison.recipes)}
        if comparison.pairs:
            drawn["differences"] = _differences(comparison, _clearest(comparison.pairs, MAX_PAIRS))
            drawn["class_differences"] = _class_differences(comparison)
        if _calibrated(comparison):
            drawn["reliability"] = _reliability(comparison)
    return drawn


def answer_figures(answer: Answer, comparison: Comparison) -> dict[str, ReportFigure]:
    """Draw what differs from `comparison_figures` where an answer has only the leading recipes and pairs.

    Returns
    -------
    dict of ReportFigure
        `leading_accuracies` and `leading_differences`, each only if something is left out.
    """
    drawn = {}
    with drawing():
        if len(answer.recipes) < len(comparison.recipes):
            drawn["leading_accuracies"] = _scores(comparison, answer.recipes, "leading-accuracies")
        if len(answer.pairs) < len(comparison.pairs):
            drawn["leading_differences"] = _differences(comparison, answer.pairs, "leading-differences")
    return drawn


def _scores(
    comparison: Comparison, recipes: Sequence[RecipeResult], name: str = "accuracies"
) -> ReportFigure:
    scale = comparison.scale
    best = max(recipes, key=lambda recipe: scale.sign * recipe.score)
    each = [
        f"{recipe.name} {scale.value(recipe.score)} ({scale.interval(recipe.interval)})" for recipe in recipes
    ]
    scope = "seeds and images" if any(recipe.num_seeds > 1 for recipe in recipes) else "images"
    extreme = "highest" if scale.higher_is_better else "lowest (best)"
    caption = (
        f"Test {scale.name} with {_percent(comparison)} intervals over {scope}; small dots are single "
        f"runs.{_left_out(recipes, comparison.recipes)} The {extreme} mean is "
        f"{scale.value(best.score)} ({best.name})."
    )
    if len(recipes) > 1:
        caption += (
            " Intervals that overlap do not mean a tie: on the same images, differences are known more "
            "precisely."
        )
    return finish(
        score_forest(comparison, recipes),
        f"comparison-{name}",
        alt=f"{scale.title} of each recipe with its interval: {'; '.join(each)}.",
        caption=caption,
    )


def _differences(
    comparison: Comparison, drawn_pairs: Sequence[PairResult], name: str = "differences"
) -> ReportFigure:
    pairs, scale = comparison.pairs, comparison.scale
    decided = sum(pair.stated_verdict in ("better", "worse") for pair in pairs)
    each = [
        f"{pair.b} minus {pair.a} {scale.difference(pair.difference)} "
        f"({scale.interval(pair.interval)}), {pair.stated_verdict}"
        for pair in drawn_pairs
    ]
    return finish(
        difference_forest(comparison, drawn_pairs),
        f"comparison-{name}",
        alt=f"Difference in {scale.name} of each pair with its interval: {'; '.join(each)}.",
        caption=f"Difference in {scale.name} with {_percent(comparison)} intervals; the band is the margin "
        f"of ±{scale.difference(comparison.margin)}. Filled: better or worse ({decided} of "
        f"{counted(len(pairs), 'pair')}), which is significant after Holm's correction."
        f"{_left_out(drawn_pairs, pairs)}",
    )


def _class_differences(comparison: Comparison) -> ReportFigure:
    pairs = comparison.pairs
    drawn_pairs = _with_classes(pairs)
    significant = [
        f"{pair.b} minus {pair.a} on {entry.name}"
        for pair in drawn_pairs
        for entry in pair.classes
        if entry.beyond_luck
    ]
    result = "Each of these differences may be chance."
    if significant:
        names = significant if len(significant) <= 6 else [*significant[:6], f"{len(significant) - 6} more"]
        result = f"{len(significant)} unlikely to be chance: {listed(names)}."
    return finish(
        class_difference_forest(comparison),
        "comparison-class-differences",
        alt=f"Differences in accuracy class by class with intervals. {result}",
        caption=f"Difference in accuracy on each class with {_percent(comparison)} confidence intervals over "
        f"seeds and that class's images. Filled: unlikely to be chance, at a false discovery rate of "
        f"{100 * (1 - comparison.confidence):g} % over the classes of a pair. {result}"
        f"{_left_out(drawn_pairs, pairs)}",
    )


def _reliability(comparison: Comparison) -> ReportFigure:
    recipes = _calibrated(comparison)
    worst, worst_calibration = max(recipes, key=lambda recipe: recipe[1].ece)
    each = [f"{name} {points(calibration.ece)} points" for name, calibration in recipes]
    return finish(
        reliability_plot(comparison),
        "comparison-reliability",
        alt=f"Accuracy against confidence. Expected calibration error: {'; '.join(each)}.",
        caption=f"How often a prediction of a given confidence is right, with {_percent(comparison)} "
        "intervals. On the diagonal, confidence equals accuracy. The largest expected calibration error is "
        f"{points(worst_calibration.ece)} points ({worst}; if it were calibrated: "
        f"{points(worst_calibration.ece_if_calibrated)}), mostly "
        f"{'over' if worst_calibration.gap > 0 else 'under'}confident."
        f"{_left_out(recipes[: len(COLORS)], recipes)}",
    )


def _calibrated(comparison: Comparison) -> list[tuple[str, Calibration]]:
    """The recipes whose probabilities are known, by name."""
    return [(recipe.name, recipe.calibration) for recipe in comparison.recipes if recipe.calibration]


def _percent(comparison: Comparison) -> str:
    return f"{100 * comparison.confidence:g} %"


def _left_out(drawn: Sequence[object], everything: Sequence[object]) -> str:
    if len(drawn) == len(everything):
        return ""
    return f" {len(drawn)} of {len(everything)} are shown; the table has all."


def score_forest(comparison: Comparison, recipes: Sequence[RecipeResult] | None = None) -> Figure:
    """Draw the score of each recipe, or of these, with its interval, and its runs as dots."""
    recipes, scale = recipes or comparison.recipes, comparison.scale
    figure, axes = _forest(len(recipes))
    for row, recipe in enumerate(recipes):
        color = COLORS[row % len(COLORS)]
        _interval(axes, row, recipe.score, recipe.interval, color, filled=True, factor=scale.factor)
        runs = [scale.factor * run.score for run in recipe.runs]
        axes.scatter(runs, [row + 0.2] * len(runs), s=9, color=color, alpha=0.6, linewidths=0)
        text = f"{scale.number(recipe.score)} ({scale.interval(recipe.interval)})"
        _label(axes, row, recipe.name, text)
    axes.set_xlabel(drawn_text(f"test {scale.heading}", 60))
    return figure


def difference_forest(comparison: Comparison, pairs: Sequence[PairResult] | None = None) -> Figure:
    """Draw each pair's difference with its interval over the shaded margin; filled if decided."""
    pairs, scale = pairs or _clearest(comparison.pairs, MAX_PAIRS), comparison.scale
    figure, axes = _forest(len(pairs))
    axes.grid(visible=False)  # nothing crosses a label: margin and 0 are drawn below each
    rows, margin = np.arange(len(pairs)), scale.factor * comparison.margin
    axes.barh(rows + 0.09, 2 * margin, 0.46, -margin, color=COLORS[5], alpha=0.22, linewidth=0)
    axes.vlines([0] * len(pairs), rows - 0.14, rows + 0.32, color=GRAY, linewidth=0.8)
    for row, pair in enumerate(pairs):
        decided = pair.stated_verdict in ("better", "worse")
        color = GRAY if pair.stated_verdict == "undecided" else INK  # the colors are those of recipes
        _interval(axes, row, pair.difference, pair.interval, color, filled=decided, factor=scale.factor)
        text = f"{scale.number(pair.difference)} ({scale.interval(pair.interval)}) {pair.stated_verdict}"
        _label(axes, row, f"{pair.b} minus {pair.a}", text)
    unit = f", {scale.difference_unit}" if scale.difference_unit else ""
    direction = "" if scale.higher_is_better else " (left is better)"
    axes.set_xlabel(drawn_text(f"difference in {scale.name}{unit}{direction}", 60))
    return figure


def class_difference_forest(comparison: Comparison) -> Figure:
    """Draw each pair's differences class by class, one panel per pair; filled if significant."""
    from matplotlib.figure import Figure

    pairs = _with_classes(comparison.pairs)
    classes = _most_different([entry.name for entry in pairs[0].classes], pairs)
    height = 0.5 + 0.19 * len(classes)
    figure = Figure(figsize=(WIDTH, height * len(pairs) + 0.35), layout="constrained")
    panels: list[Axes] = list(figure.subplots(len(pairs), 1, sharex=True, squeeze=False)[:, 0])
    for axes, pair in zip(panels, pairs, strict=True):
        margin = 100 * comparison.margin if comparison.scale.is_accuracy else 0.0
        axes.axvspan(-margin, margin, color=COLORS[5], alpha=0.22, linewidth=0)
        axes.axvline(0, color=GRAY, linewidth=0.8)
        by_name = {entry.name: entry for entry in pair.classes}
        for row, name in enumerate(classes):
            entry = by_name[name]
            significant = entry.beyond_luck
            color = INK if significant else GRAY
            _interval(axes, row, entry.difference, entry.interval, color, filled=significant)
        axes.set_yticks(range(len(classes)), [drawn_text(name, 16) for name in classes])
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.set_title(f"{drawn_text(pair.b, 23)} minus {drawn_text(pair.a, 23)}")
        axes.grid(axis="y", visible=False)
    panels[-1].set_xlabel("difference in accuracy, percentage points")
    return figure


def reliability_plot(comparison: Comparison) -> Figure:
    """Draw accuracy against confidence in bins of equal mass, with intervals."""
    recipes = _calibrated(comparison)[: len(COLORS)]
    figure, axes = new_figure(WIDTH, 3.5)
    axes.plot([0, 100], [0, 100], color=GRAY, linewidth=1, linestyle="--")
    drawn = []
    for row, (_, calibration) in enumerate(recipes):
        bins = calibration.bins
        accuracy = [100 * entry.accuracy for entry in bins]
        low = [100 * (entry.accuracy - entry.interval[0]) for entry in bins]
        high = [100 * (entry.interval[1] - entry.accuracy) for entry in bins]
        line = axes.errorbar(
            [100 * entry.confidence for entry in bins],
            accuracy,
            yerr=[[max(value, 0.0) for value in low], [max(value, 0.0) for value in high]],
            color=COLORS[row],
            marker=MARKERS[row],
            markersize=4,
            linewidth=1.2,
            elinewidth=0.8,
        )
        drawn.append(line)
    axes.set_xlabel("confidence, %")
    axes.set_ylabel("accuracy, %")
    axes.set_xlim(0, 101)
    axes.set_ylim(0, 101)
    axes.legend(drawn, [drawn_text(name, 34) for name, _ in recipes])
    return figure


def _forest(num_rows: int) -> tuple[Figure, Axes]:
    figure, axes = new_figure(WIDTH, 0.6 + 0.7 * num_rows)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(num_rows - 0.65, -0.7)
    return figure, axes


def _interval(
    axes: Axes,
    row: int,
    value: float,
    interval: Sequence[float],
    color: str,
    *,
    filled: bool,
    factor: float = 100,
) -> None:
    ends = [factor * end for end in interval]
    axes.plot(ends, [row, row], color=color, linewidth=2, solid_capstyle="butt")
    axes.plot(
        [factor * value],
        [row],
        marker="o",
        markersize=6.5,
        color=color,
        markerfacecolor=color if filled else PAPER,
        markeredgewidth=1.6,
    )


def _label(axes: Axes, row: int, name: str, text: str) -> None:
    """Write the name and the numbers on two lines above the interval."""
    at = axes.get_yaxis_transform()
    axes.text(0, row - 0.54, drawn_text(name, 56), transform=at, va="center")
    axes.text(0, row - 0.27, text, transform=at, fontsize=8.5, va="center")


def _clearest(pairs: Sequence[PairResult], limit: int) -> list[PairResult]:
    """Return the pairs in their order, only those with the smallest p if there are too many to draw."""
    chosen = {id(pair) for pair in sorted(pairs, key=lambda pair: pair.p)[:limit]}
    return [pair for pair in pairs if id(pair) in chosen]


def _with_classes(pairs: Sequence[PairResult]) -> list[PairResult]:
    return _clearest(pairs, MAX_CLASS_PAIRS if len(pairs) <= MAX_CLASS_PAIRS else FEW_CLASS_PAIRS)


def _most_different(names: list[str], pairs: Sequence[PairResult]) -> list[str]:
    """Return all classes in label order or, if there are too many to draw, those with the smallest p."""
    smallest: dict[str, float] = {}
    for pair in pairs:
        for entry in pair.classes:
            smallest[entry.name] = min(smallest.get(entry.name, 1.0), entry.p)
    most = min(MAX_CLASSES, MAX_CLASS_ROWS // len(pairs))
    chosen = set(sorted(names, key=lambda name: smallest[name])[:most])
    return [name for name in names if name in chosen]
