"""Question 1: the validation curves of all recipes in one plot, of the loss and of the accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bakeoff.analysis.summary.recipes import FinishedRecipe, OverSeeds
from bakeoff.report.figures.curves import finish_axes, has_curve
from bakeoff.report.figures.drawing import (
    COLORS,
    MARKERS,
    MAX_RECIPES,
    ReportFigure,
    drawing,
    drawn_text,
    finish,
    new_figure,
)
from bakeoff.text import in_percent, number

SIZE = (4.6, 2.6)

NUM_MARKERS = 7
"""On each curve; colors alone would not tell it apart for everyone."""


def validation_figures(recipes: Sequence[FinishedRecipe]) -> dict[str, ReportFigure]:
    """Draw the mean validation curves of the recipes together, each with a band over its seeds.

    Parameters
    ----------
    recipes
        From the summary, the leading ones first if there are many; the first `MAX_RECIPES` are drawn.

    Returns
    -------
    dict of ReportFigure
        `loss` and `accuracy`, each if at least two recipes have more than its last value.
    """
    reported = [recipe for recipe in recipes if recipe.results.curves.reported]
    figures = {}
    with drawing():
        for quantity, scale, write in (("loss", 1.0, number), ("accuracy", 100.0, in_percent)):
            curves = {recipe.name: getattr(recipe.results.curves, f"val_{quantity}") for recipe in reported}
            curves = {name: curve for name, curve in curves.items() if has_curve(curve)}
            if len(curves) > 1:
                figures[quantity] = _figure(quantity, curves, scale, write)
    return figures


def _figure(
    quantity: str, curves: dict[str, OverSeeds], scale: float, write: Callable[[float], str]
) -> ReportFigure:
    shown = dict(list(curves.items())[:MAX_RECIPES])
    num_epochs = max(len(curve.mean) for curve in shown.values())
    figure, axes = new_figure(*SIZE)
    for place, (name, curve) in enumerate(shown.items()):
        epochs = np.arange(1, len(curve.mean) + 1)
        color = COLORS[place]
        if len(curve.per_seed) > 1:
            # Of the seeds that reached each epoch: the others have NaN there.
            low, high = np.fmin.reduce(curve.per_seed), np.fmax.reduce(curve.per_seed)
            axes.fill_between(epochs, scale * low, scale * high, color=color, alpha=0.15, linewidth=0)
        axes.plot(
            epochs,
            scale * curve.mean,
            color=color,
            linewidth=1.6,
            marker=MARKERS[place],
            markersize=4,
            markevery=max(1, num_epochs // NUM_MARKERS),
            label=drawn_text(name, 34),
        )
    axes.set_ylabel("loss (nats per image)" if quantity == "loss" else "accuracy, %")
    finish_axes(axes, num_epochs)
    best = {name: _best(quantity, curve) for name, curve in shown.items()}
    each = "; ".join(f"{name} {write(value)} at epoch {epoch}" for name, (value, epoch) in best.items())
    extreme = "Lowest" if quantity == "loss" else "Highest"
    many = any(len(curve.per_seed) > 1 for curve in shown.values())
    band = " Band: lowest to highest seed." if many else ""
    left_out = ""
    if len(shown) < len(curves):
        left_out = f" The {len(shown)} leading of {len(curves)} recipes; the table has all."
    return finish(
        figure,
        f"validation-{quantity}",
        alt=f"Line chart: mean validation {quantity} of {len(shown)} recipes by epoch. {extreme}: {each}.",
        caption=f"Validation {quantity}, mean over seeds. {extreme}: {each}.{band}{left_out}",
    )


def _best(quantity: str, curve: OverSeeds) -> tuple[float, int]:
    """The best mean and its epoch."""
    mean = curve.mean
    place = int(np.nanargmin(mean) if quantity == "loss" else np.nanargmax(mean))
    return float(mean[place]), place + 1
