"""Question 1: loss and accuracy over the epochs, one figure each for every recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.analysis.summary.recipes import Curves, FinishedRecipe, OverSeeds
from bakeoff.report.figures.drawing import (
    BLUE,
    GRAY,
    INK,
    ORANGE,
    ReportFigure,
    drawing,
    finish,
    legend_above,
    new_figure,
)
from bakeoff.text import counted, in_percent, number, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SIZE = (4.6, 2.8)


def curve_figures(recipes: Sequence[FinishedRecipe]) -> dict[str, dict[str, ReportFigure]]:
    """Draw the curves of all recipes with a finished run.

    Parameters
    ----------
    recipes
        From the summary.

    Returns
    -------
    dict of dict of ReportFigure
        By recipe, then `loss` and `accuracy`. The axes are the same for all recipes. Recipes whose trainer
        reports no epochs are omitted.
    """
    recipes = [recipe for recipe in recipes if recipe.results.curves.reported]
    if not recipes:
        return {}
    all_curves = [recipe.results.curves for recipe in recipes]
    losses = [loss.per_seed.ravel() for curves in all_curves for loss in (curves.train_loss, curves.val_loss)]
    highest_loss = float(np.nanmax(np.concatenate([[0.0], *losses])))
    num_epochs = max(curves.epoch[-1] for curves in all_curves)
    with drawing():
        figures: dict[str, dict[str, ReportFigure]] = {recipe.name: {} for recipe in recipes}
        for recipe in recipes:
            curves = recipe.results.curves
            if has_curve(curves.train_loss, curves.val_loss):
                figures[recipe.name]["loss"] = _loss_figure(recipe, num_epochs, highest_loss)
            if has_curve(curves.train_accuracy, curves.val_accuracy):
                figures[recipe.name]["accuracy"] = _accuracy_figure(recipe, num_epochs)
    return figures


def has_curve(*curves: OverSeeds) -> bool:
    """Whether there is more than the last epoch of a trainer that does not report this quantity."""
    return any(np.isfinite(curve.mean).sum() > 1 or len(curve.mean) == 1 for curve in curves)


def _last(train: Sequence[float], val: Sequence[float], write: Callable[[float], str]) -> str:
    """What is known after the last epoch."""
    values = {"training": train[-1], "validation": val[-1]}
    known = [f"{name} {write(value)}" for name, value in values.items() if np.isfinite(value)]
    return f"After the last epoch: {', '.join(known) or 'not reported'}."


def _loss_figure(recipe: FinishedRecipe, num_epochs: int, highest: float) -> ReportFigure:
    name, results, curves = recipe.name, recipe.results, recipe.results.curves
    figure, axes = new_figure(*SIZE)
    _draw(axes, recipe, curves.train_loss, curves.val_loss, 1.0)
    if recipe.published and recipe.published.losses:
        axes.plot(
            *zip(*recipe.published.losses, strict=True),
            linestyle="",
            marker="D",
            markersize=5,
            markerfacecolor="none",
            markeredgecolor=INK,
            label="training, published",
        )
    axes.set_ylim(0, 1.05 * highest or 1)
    axes.set_ylabel("loss (nats per image)")
    finish_axes(axes, num_epochs)
    train, val = curves.train_loss.mean.tolist(), curves.val_loss.mean.tolist()
    caption = f"Loss. {_describe_losses(curves)}"
    alt = (
        f"Line chart: training and validation loss of {name} over {counted(len(curves.epoch), 'epoch')}, "
        f"{counted(len(results.seeds), 'seed')}. Training from {number(train[0])} to {number(train[-1])}, "
        f"validation from {number(val[0])} to {number(val[-1])}."
    )
    return finish(figure, f"loss-{name}", alt=alt, caption=caption)


def _describe_losses(curves: Curves) -> str:
    epochs, train, val = curves.epoch, curves.train_loss.mean.tolist(), curves.val_loss.mean.tolist()
    if np.isnan(train).any() or np.isnan(val).any():
        return _last(train, val, number)
    if len(epochs) == 1:
        return f"After the only epoch: training {number(train[0])}, validation {number(val[0])}."
    lowest = int(np.argmin(val))
    change = "falls" if train[-1] < train[0] else "does not fall: it changes"
    overfitting = ""
    if curves.overfits_from is not None:
        overfitting = f" while training loss falls: overfitting from epoch {curves.overfits_from} on"
    after = (
        f"is lowest at epoch {epochs[lowest]} ({number(val[lowest])}) and "
        f"{number(val[-1] - val[lowest])} higher after the last epoch"
        f"{overfitting}"
        if val[-1] > val[lowest]
        else f"is lowest after the last epoch ({number(val[-1])})"
    )
    return (
        f"Mean training loss {change} from {number(train[0])} to {number(train[-1])}; "
        f"mean validation loss {after}."
    )


def _accuracy_figure(recipe: FinishedRecipe, num_epochs: int) -> ReportFigure:
    name, results, curves = recipe.name, recipe.results, recipe.results.curves
    figure, axes = new_figure(*SIZE)
    _draw(axes, recipe, curves.train_accuracy, curves.val_accuracy, 100.0)
    axes.set_ylim(0, 101)
    axes.set_ylabel("accuracy, %")
    finish_axes(axes, num_epochs)
    train, val = curves.train_accuracy.mean.tolist(), curves.val_accuracy.mean.tolist()
    highest = int(np.argmax(np.nan_to_num(val)))
    alt = (
        f"Line chart: training and validation accuracy of {name} over {counted(len(curves.epoch), 'epoch')}, "
        f"{counted(len(results.seeds), 'seed')}. Training from {in_percent(train[0])} to "
        f"{in_percent(train[-1])}, validation from {in_percent(val[0])} to {in_percent(val[-1])}."
    )
    caption = f"Accuracy. {_last(train, val, in_percent)}"
    if np.isfinite(val).sum() > 1 or len(val) == 1:
        caption += (
            f" Mean validation accuracy is highest at epoch {curves.epoch[highest]} "
            f"({in_percent(val[highest])})."
        )
    if not recipe.has_trainer:
        caption += (
            f" {_checkpoint_name(recipe).capitalize()}, whose weights are tested: "
            f"{span(results.checkpoint_epochs)}."
        )
    return finish(figure, f"accuracy-{name}", alt=alt, caption=caption)


def _draw(axes: Axes, recipe: FinishedRecipe, train: OverSeeds, val: OverSeeds, scale: float) -> None:
    from matplotlib.collections import LineCollection

    epochs = recipe.results.curves.epoch
    # A single epoch has no line to draw.
    marker = "o" if len(epochs) == 1 else ""
    for curve, label, color, line in ((train, "training", BLUE, "--"), (val, "validation", ORANGE, "-")):
        if np.isnan(curve.mean).all():
            continue
        if len(curve.per_seed) > 1 and not marker:
            lines = [np.column_stack([epochs, scale * values]) for values in curve.per_seed]
            # As one artist, in a fraction of the time of a line each.
            axes.add_collection(
                LineCollection(
                    lines, colors=color, linewidths=0.6, alpha=0.45, capstyle="projecting", zorder=2
                ),
                autolim=False,
            )
        mean = scale * curve.mean
        axes.plot(epochs, mean, line, color=color, linewidth=1.9, label=label, marker=marker, markersize=4)
    if recipe.has_trainer:  # which says nothing of weights that it keeps
        return
    checkpoints = recipe.results.checkpoint_epochs
    values = [
        scale * per_seed[epoch - epochs[0]] for per_seed, epoch in zip(val.per_seed, checkpoints, strict=True)
    ]
    axes.plot(
        checkpoints,
        values,
        linestyle="",
        marker="v",
        markersize=5,
        color=ORANGE,
        markeredgecolor=INK,
        markeredgewidth=0.6,
        label=_checkpoint_name(recipe),
    )


def _checkpoint_name(recipe: FinishedRecipe) -> str:
    return "last epoch" if recipe.settings.get("checkpoint", "last") == "last" else "best epoch"


def finish_axes(axes: Axes, num_epochs: int) -> None:
    """Set up the axis of epochs, and a legend above."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(1 - 0.02 * num_epochs, 1.02 * num_epochs + (num_epochs == 1))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.grid(axis="x", visible=False)
    axes.spines["bottom"].set_color(GRAY)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    legend_above(axes.figure, fontsize=8, handlelength=1.8, columnspacing=1.1)
