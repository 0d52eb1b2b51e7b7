"""Question 2: the confusion matrix of each recipe, and the class accuracies of all recipes."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.failures.confusion import row_shares
from bakeoff.analysis.summary.recipes import FinishedRecipe
from bakeoff.report.figures.drawing import (
    BLUE,
    COLORS,
    GRAY,
    INK,
    MARKERS,
    ORANGE,
    ReportFigure,
    drawing,
    drawn_text,
    finish,
    legend_above,
    new_figure,
)
from bakeoff.text import in_percent, mean_count, over_seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MAX_CLASSES_WITH_NUMBERS = 15

MAX_RECIPES_WITH_NUMBERS = 12
"""With more, only the leading recipes' matrices have numbers: each adds a tenth of a megabyte to the page."""

MAX_NAMES_PER_AXIS = 45

MAX_CLASSES_IN_DOTS, MAX_RECIPES_IN_DOTS = 15, 4
"""A chart of class accuracies with more shows those in which recipes differ most; its caption says so."""

PLOT_AREA = "plot-area"
"""Id of the rectangle around the cells, with which the page's script finds a cell by its position."""

STRONGEST = 0.75
"""Opacity of a full cell: text is legible on it, black on a light page and white on a dark one."""


def confusion_figures(
    recipes: Sequence[FinishedRecipe], class_names: Sequence[str], leading: Collection[str] = ()
) -> dict[str, ReportFigure]:
    """Draw the mean confusion matrix of each recipe: counts, with row shares below.

    Correct predictions are blue, errors orange; the scale of the errors is the same for all recipes.

    Parameters
    ----------
    recipes
        From the summary.
    class_names
        In label order.
    leading
        The names of the recipes whose matrices have numbers, if there are many.
    """
    few = len(recipes) <= MAX_RECIPES_WITH_NUMBERS
    shares = {recipe.name: row_shares(recipe.results.confusion.mean) for recipe in recipes}
    largest_error = max(float((share - np.diag(np.diag(share))).max()) for share in shares.values())
    with drawing():
        return {
            recipe.name: _confusion_figure(
                recipe, class_names, shares[recipe.name], largest_error, few or recipe.name in leading
            )
            for recipe in recipes
        }


def _confusion_figure(
    recipe: FinishedRecipe,
    class_names: Sequence[str],
    shares: NDArray[np.float64],
    largest_error: float,
    may_have_numbers: bool,
) -> ReportFigure:
    name, counts, num_seeds = recipe.name, recipe.results.confusion.mean, len(recipe.results.seeds)
    num_classes = len(class_names)
    figure, axes = new_figure(6.4, 6.0)
    opacity = STRONGEST * shares / (largest_error or 1.0)
    np.fill_diagonal(opacity, STRONGEST * np.diag(shares))
    has_numbers = may_have_numbers and num_classes <= MAX_CLASSES_WITH_NUMBERS
    if has_numbers:
        _draw_cells(axes, counts, shares, opacity, num_seeds)
    else:
        _draw_image(axes, opacity)
    axes.patch.set_gid(PLOT_AREA)
    name_axes(axes, class_names)
    means = over_seeds(num_seeds)
    errors = _describe_errors(counts, shares, class_names, num_seeds)
    alt = f"Confusion matrix of {name}, {num_classes} by {num_classes} classes, {means}. {errors}"
    step = -(-num_classes // MAX_NAMES_PER_AXIS)
    labels = "" if step == 1 else f" The axes name one class in {step}."
    unit = (
        "Test images, and the share of the row in %"
        if has_numbers
        else "The stronger the color, the larger the share of the row"
    )
    caption = f"{unit}; {means}. {errors}{labels}"
    return finish(figure, f"confusion-{name}", alt=alt, caption=caption)


def _draw_cells(
    axes: Axes,
    counts: NDArray[np.float64],
    shares: NDArray[np.float64],
    opacity: NDArray[np.float64],
    num_seeds: int,
) -> None:
    """Draw one rectangle per cell, with the id `cell-TRUE-PREDICTED`, and its numbers."""
    from matplotlib.patches import Rectangle

    size = min(9.0, 90.0 / len(counts))
    # Excluded from the layout, which depends on the axes only and would measure every text.
    centerd: dict[str, Any] = {"ha": "center", "va": "center", "in_layout": False}
    for true, predicted in itertools.product(range(len(counts)), repeat=2):
        axes.add_patch(
            Rectangle(
                (predicted - 0.48, true - 0.48),
                0.96,
                0.96,
                facecolor=BLUE if true == predicted else ORANGE,
                alpha=float(opacity[true, predicted]),
                linewidth=0,
                gid=f"cell-{true}-{predicted}",
                in_layout=False,
            )
        )
        count = float(counts[true, predicted])
        if count > 0:
            share = in_percent(float(shares[true, predicted]), 0)
            axes.text(predicted, true - 0.13, mean_count(count, num_seeds), fontsize=size, **centerd)
            axes.text(predicted, true + 0.24, share, fontsize=0.74 * size, **centerd)


def _draw_image(axes: Axes, opacity: NDArray[np.float64]) -> None:
    from matplotlib.colors import to_rgb

    image = np.empty((*opacity.shape, 4))
    image[..., :3] = to_rgb(ORANGE)
    image[np.diag_indices(len(image))] = (*to_rgb(BLUE), 1.0)
    image[..., 3] = opacity
    axes.imshow(image, interpolation="none", aspect="auto")


def name_axes(axes: Axes, class_names: Sequence[str]) -> None:
    """Name the rows and columns of a matrix; of many classes, one in several."""
    num_classes = len(class_names)
    places = range(0, num_classes, -(-num_classes // MAX_NAMES_PER_AXIS))
    names = [drawn_text(class_names[place], 18) for place in places]
    size = max(5.5, min(9.0, 250.0 / len(places)))
    axes.set_xticks(places, names, rotation=90 if num_classes > 12 else 40, fontsize=size)
    if num_classes <= 12:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names, fontsize=size)
    axes.set_xlim(-0.5, num_classes - 0.5)
    axes.set_ylim(num_classes - 0.5, -0.5)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set(visible=True, color=GRAY, linewidth=0.6)


def _describe_errors(
    counts: NDArray[np.float64], shares: NDArray[np.float64], class_names: Sequence[str], num_seeds: int
) -> str:
    num_images = counts.sum(axis=1)
    right = np.diag(shares)
    best = int(np.argmax(np.where(num_images > 0, right, -1)))
    worst = int(np.argmin(np.where(num_images > 0, right, 2)))
    best_and_worst = (
        f"Highest accuracy: {class_names[best]} ({in_percent(right[best])}); "
        f"lowest: {class_names[worst]} ({in_percent(right[worst])})."
    )
    errors = counts - np.diag(np.diag(counts))
    if errors.max() == 0:
        return f"Every test image is classified correctly. {best_and_worst}"
    true, predicted = divmod(int(errors.argmax()), len(counts))
    return (
        f"Most frequent error: true {class_names[true]}, predicted {class_names[predicted]}, "
        f"{mean_count(counts[true, predicted], num_seeds)} of {num_images[true]:,.0f} images per run "
        f"({in_percent(shares[true, predicted])}). {best_and_worst}"
    )


def class_accuracy_figure(recipes: Sequence[FinishedRecipe], class_names: Sequence[str]) -> ReportFigure:
    """Draw the accuracy of each class: small dots are seeds, large markers means, colors recipes.

    Parameters
    ----------
    recipes
        From the summary, the leading ones first if there are many.
    class_names
        In label order.
    """
    shown = recipes[:MAX_RECIPES_IN_DOTS]
    labels = _most_different_classes(shown, len(class_names))
    row_height = max(0.28, 0.1 * len(shown) + 0.05)
    with drawing():
        figure, axes = new_figure(5.2, 0.9 + row_height * len(labels))
        rows = np.arange(len(labels), dtype=np.float64)
        for place, recipe in enumerate(shown):
            shift = (place - (len(shown) - 1) / 2) * 0.8 / len(shown)
            _draw_accuracies(axes, recipe, labels, rows + shift, place)
        for row in rows[1:]:
            axes.axhline(row - 0.5, color=GRAY, alpha=0.25, linewidth=0.6)
        axes.set_yticks(rows, [drawn_text(class_names[label]) for label in labels])
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlim(-1.5, 101.5)
        axes.set_xlabel("accuracy on the test images of a class, %")
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_color(GRAY)
        axes.tick_params(axis="y", length=0)
        legend_above(figure, handletextpad=0.2, columnspacing=1.2)
        description = _describe_class_accuracies(shown, class_names)
        alt = f"Dot chart: accuracy of each of {len(labels)} classes for {len(shown)} "
        alt += f"recipes. {description}"
        seeds = max(len(recipe.results.seeds) for recipe in shown)
        key = "Large markers are means over seeds, small dots single seeds. " if seeds > 1 else ""
        caption = f"{key}{description}"
        if len(labels) < len(class_names):
            kind = "lowest accuracy" if len(shown) == 1 else "largest differences"
            caption += f" The {len(labels)} of {len(class_names)} classes with the {kind}; the table has all."
        if len(shown) < len(recipes):
            caption += f" The {len(shown)} leading of {len(recipes)} recipes."
        return finish(figure, "class-accuracies", alt=alt, caption=caption)


def _most_different_classes(recipes: Sequence[FinishedRecipe], num_classes: int) -> list[int]:
    """All labels, or those in which the recipes differ most; of one recipe, those of lowest accuracy."""
    if num_classes <= MAX_CLASSES_IN_DOTS:
        return list(range(num_classes))
    means = np.stack([recipe.results.class_accuracies.mean for recipe in recipes])
    spread = -means[0] if len(recipes) == 1 else means.max(axis=0) - means.min(axis=0)
    order = np.argsort(-np.nan_to_num(spread, nan=-2.0), kind="stable")
    return sorted(order[:MAX_CLASSES_IN_DOTS].tolist())


def _draw_accuracies(
    axes: Axes, recipe: FinishedRecipe, labels: list[int], rows: NDArray[np.float64], place: int
) -> None:
    accuracies = recipe.results.class_accuracies
    color, marker = COLORS[place % len(COLORS)], MARKERS[(place + place // len(COLORS)) % len(MARKERS)]
    per_seed = 100 * accuracies.per_seed[:, labels]
    if len(per_seed) > 1:
        axes.plot(
            per_seed.ravel(),
            np.tile(rows, len(per_seed)),
            linestyle="",
            marker="o",
            markersize=2.4,
            markeredgewidth=0,
            color=color,
            alpha=0.6,
        )
    axes.plot(
        100 * accuracies.mean[labels],
        rows,
        linestyle="",
        marker=marker,
        markersize=5.5,
        markeredgecolor=INK,
        markeredgewidth=0.5,
        color=color,
        label=drawn_text(recipe.name, 34),
    )


def _describe_class_accuracies(recipes: Sequence[FinishedRecipe], class_names: Sequence[str]) -> str:
    means = np.stack([recipe.results.class_accuracies.mean for recipe in recipes])
    if len(recipes) == 1:
        best, worst = int(np.nanargmax(means[0])), int(np.nanargmin(means[0]))
        return (
            f"From {in_percent(means[0, worst])} ({class_names[worst]}) to {in_percent(means[0, best])} "
            f"({class_names[best]})."
        )
    spread = means.max(axis=0) - means.min(axis=0)
    widest = int(np.nanargmax(spread))
    low, high = int(means[:, widest].argmin()), int(means[:, widest].argmax())
    return (
        f"The recipes differ most on {class_names[widest]}: "
        f"{in_percent(means[low, widest])} ({recipes[low].name}) to {in_percent(means[high, widest])} "
        f"({recipes[high].name})."
    )
