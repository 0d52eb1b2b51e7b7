"""How recipes were tuned: the score of all trials by setting, and the expected best of n trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bakeoff.analysis.comparison.tuning import TunedRecipe, Tuning
from bakeoff.report.figures.drawing import (
    COLORS,
    GRAY,
    MARKERS,
    MAX_RECIPES,
    ReportFigure,
    drawing,
    drawn_text,
    finish,
    new_figure,
)
from bakeoff.text import counted, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bakeoff.study.settings.tune import Space

PANEL = (2.5, 2.3)
"""Width and height of one setting, in inches."""

PANELS_PER_ROW = 2


def tuning_figures(tuning: Tuning | None) -> dict[str, ReportFigure]:
    """Draw the trials of each tuned recipe, and the expected best scores of all.

    Returns
    -------
    dict of ReportFigure
        `expected-best`, and `trials-RECIPE` for each recipe with a successful trial; empty without any.
    """
    succeeded = [recipe for recipe in tuning.recipes if recipe.expected] if tuning else []
    if tuning is None or not succeeded:
        return {}
    with drawing():
        figures = {f"trials-{recipe.name}": _trials_figure(tuning, recipe) for recipe in succeeded}
        return {"expected-best": _curve_figure(tuning, succeeded[:MAX_RECIPES]), **figures}


def _curve_figure(tuning: Tuning, recipes: list[TunedRecipe]) -> ReportFigure:
    from matplotlib.ticker import MaxNLocator

    scale = tuning.scale
    figure, axes = new_figure(5.0, 3.2)
    parts = []
    for recipe, color, marker in zip(recipes, COLORS, MARKERS, strict=False):
        expected = recipe.expected
        assert expected is not None
        trials = range(1, len(expected.mean) + 1)
        low, mean, high = (scale.factor * ends for ends in (expected.low, expected.mean, expected.high))
        axes.fill_between(trials, low, high, color=color, alpha=0.15, linewidth=0)
        axes.plot(trials, mean, color=color, marker=marker, markersize=4, label=drawn_text(recipe.name))
        parts.append(
            f"{recipe.name} {scale.value(expected.mean[0])} with 1 trial, "
            f"{scale.value(expected.mean[-1])} with {len(expected.mean)}"
        )
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_xlabel("number of trials")
    axes.set_ylabel(f"expected best val {scale.heading}")
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside upper left", ncols=3, fontsize=8)
    level = recipes[0].expected.level if recipes[0].expected else 0.0
    text = "; ".join(parts)
    return finish(
        figure,
        "expected-best",
        alt=f"Line chart: expected best validation {scale.name} against the number of trials: {text}.",
        caption=(
            f"Expected best validation {scale.name} of n trials, over all subsets of the trials that were "
            f"made; {percent(level, 0)} % of the subsets have their best in the band, which ends in a point "
            f"because there is one subset of all trials. {text}."
        ),
    )


def _trials_figure(tuning: Tuning, recipe: TunedRecipe) -> ReportFigure:
    from matplotlib.figure import Figure

    scale = tuning.scale
    assert recipe.chosen is not None
    columns = min(len(recipe.spaces), PANELS_PER_ROW)
    rows = math.ceil(len(recipe.spaces) / columns)
    figure = Figure(figsize=(PANEL[0] * max(columns, 1.4), PANEL[1] * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, (key, space) in zip(panels, recipe.spaces.items(), strict=False):
        _draw_trials(axes, recipe, key, space, scale.factor)
    for axes in panels[len(recipe.spaces) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel(f"val {scale.heading}")
    scores = [trial.score for trial in recipe.trials if trial.score is not None]
    failed = ""
    if recipe.failed:
        failed = f"; {counted(len(recipe.failed), 'trial')} failed (crosses at the bottom)"
    what = f"Validation {scale.name} of the trials of {recipe.name}"
    best = f"from {scale.value(min(scores))} to {scale.value(max(scores))}{failed}"
    return finish(
        figure,
        f"trials-{recipe.name}",
        alt=f"Scatter plots: {what.lower()} against {', '.join(recipe.spaces)}, {best}.",
        caption=(
            f"{what} against each searched setting, {best}. Trial {recipe.chosen.number}, filled, is chosen."
        ),
    )


def _draw_trials(axes: Axes, recipe: TunedRecipe, key: str, space: Space, factor: int) -> None:
    from matplotlib.ticker import NullFormatter

    def place(value: Any) -> Any:
        return value if space.choices is None else space.choices.index(value)

    chosen = recipe.chosen
    for trial in recipe.trials:
        x = place(trial.values[key])
        if trial.score is None:
            axes.plot(
                x,
                0.03,
                marker="x",
                color=GRAY,
                markersize=5,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )
        elif trial is not chosen:
            axes.plot(
                x, factor * trial.score, marker="o", markersize=5, markerfacecolor="none", color=COLORS[0]
            )
    if chosen is not None and chosen.score is not None:
        axes.plot(place(chosen.values[key]), factor * chosen.score, "o", markersize=7, color=COLORS[1])
    if space.choices is not None:
        axes.set_xticks(
            range(len(space.choices)), [drawn_text(_written(value), 12) for value in space.choices]
        )
        axes.set_xlim(-0.5, len(space.choices) - 0.5)
    elif space.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # the style has no mathematical text
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(drawn_text(key, 32))


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
