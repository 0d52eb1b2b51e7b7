"""Question 3: where errors are more frequent, a row for each property and a marker for each recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bakeoff.analysis.failures.trends import ImageProperty
from bakeoff.report.figures.drawing import (
    COLORS,
    GRAY,
    MARKERS,
    MAX_RECIPES,
    PAPER,
    ReportFigure,
    drawing,
    drawn_text,
    finish,
    legend_above,
    new_figure,
)
from bakeoff.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MAX_PROPERTIES, FEW_RECIPES = 5, 4
"""A figure with more shows only the largest differences, and of more than `MAX_RECIPES` recipes only the
leading ones; its caption says so."""


def property_figure(properties: Sequence[ImageProperty], recipes: Sequence[str]) -> ReportFigure | None:
    """Draw the difference in error rate of each quarter from other images of the same class.

    Parameters
    ----------
    properties
        From the summary.
    recipes
        Names, the leading ones first if there are many.

    Returns
    -------
    ReportFigure or None
        None if no quarter was tested.
    """
    if not properties:
        return None
    all_properties, properties = properties, properties[:MAX_PROPERTIES]
    drawn = list(recipes if len(recipes) <= MAX_RECIPES else recipes[:FEW_RECIPES])
    row_height = 0.1 * len(drawn) + 0.12
    with drawing():
        figure, axes = new_figure(4.6, 0.9 + row_height * len(properties))
        axes.axvline(0, color=GRAY, linewidth=0.8)
        for row in range(1, len(properties)):
            axes.axhline(row - 0.5, color=GRAY, alpha=0.25, linewidth=0.6)
        for place, recipe in enumerate(drawn):
            shift = (place - (len(drawn) - 1) / 2) * 0.75 / len(drawn)
            _draw(axes, properties, recipe, shift, place)
        axes.set_yticks(range(len(properties)), [drawn_text(row.name, 30) for row in properties])
        axes.set_ylim(len(properties) - 0.5, -0.5)
        axes.set_xlabel("difference in error rate within classes, points")
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        if len(drawn) > 1:
            legend_above(figure, handletextpad=0.2, columnspacing=1.2)
        caption = _describe(all_properties, recipes, drawn)
        quarters = counted(len(properties), "quarter")
        alt = f"Dot chart: {quarters} of the images, {counted(len(drawn), 'recipe')}."
        return finish(figure, "error-properties", alt=f"{alt} {_largest(properties[0])}", caption=caption)


def _draw(axes: Axes, properties: Sequence[ImageProperty], recipe: str, shift: float, place: int) -> None:
    color, marker = COLORS[place], MARKERS[place]
    for row, quarter in enumerate(properties):
        if recipe not in quarter.ends:
            continue
        within = quarter.ends[recipe].within_class
        ends = [100 * within.low, 100 * within.high]
        axes.plot(ends, [row + shift] * 2, color=color, linewidth=1.2, solid_capstyle="butt")
        axes.plot(
            [100 * within.value],
            [row + shift],
            marker=marker,
            markersize=4.5,
            color=color,
            markerfacecolor=color if recipe in quarter.significant else PAPER,
            markeredgewidth=1.1,
        )
    axes.plot([], [], color=color, marker=marker, markersize=4.5, label=drawn_text(recipe, 34))


def _describe(properties: Sequence[ImageProperty], recipes: Sequence[str], drawn: Sequence[str]) -> str:
    tested = sum(len(row.ends) for row in properties)
    significant = sum(len(row.significant) for row in properties)
    shown = ""
    if len(drawn) < len(recipes):
        shown += f" The {len(drawn)} leading of {len(recipes)} recipes are shown; the table has all."
    if len(properties) > MAX_PROPERTIES:
        shown += (
            f" The {MAX_PROPERTIES} quarters with the largest differences of {len(properties)} are shown."
        )
    return (
        "Error rate of a quarter of the test images minus that of other images of the same class, with 95 % "
        f"intervals over images. Filled: unlikely to be chance ({significant} of "
        f"{counted(tested, 'difference')}, false discovery rate 5 %). {_largest(properties[0])}{shown}"
    )


def _largest(row: ImageProperty) -> str:
    recipe, end = max(row.ends.items(), key=lambda each: abs(each[1].within_class.value))
    within = end.within_class
    return (
        f"The largest: in the {row.name} quarter, errors of {recipe} are "
        f"{100 * abs(within.value):.0f} points {'more' if within.value > 0 else 'less'} frequent."
    )
