"""Question 2: in which cells of the confusion matrix two recipes differ."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.failures.confusion import row_shares
from bakeoff.analysis.summary.recipes import FinishedRecipe
from bakeoff.report.figures.confusion import MAX_CLASSES_WITH_NUMBERS, STRONGEST, name_axes
from bakeoff.report.figures.drawing import BLUE, INK, ORANGE, ReportFigure, drawing, finish, new_figure

Cell = tuple[int, int]
"""True and predicted class."""


def confusion_difference_figures(
    pairs: Sequence[tuple[FinishedRecipe, FinishedRecipe]],
    class_names: Sequence[str],
    significant: Mapping[tuple[str, str], Collection[Cell]],
) -> dict[tuple[str, str], ReportFigure]:
    """Draw the mean confusion matrix of the second recipe of each pair minus that of the first.

    Cells in which the second is better (more right, or fewer wrong) are blue, those in which it is worse
    orange; the scale is the same for all pairs.

    Parameters
    ----------
    pairs
        Of recipes, as the comparison has them.
    class_names
        In label order.
    significant
        By the names of a pair: the cells in which a difference is unlikely to be chance.

    Returns
    -------
    dict of ReportFigure
        By the names of a pair.
    """
    of_recipe = {recipe.name: row_shares(recipe.results.confusion.mean) for pair in pairs for recipe in pair}
    shares = {(a.name, b.name): of_recipe[b.name] - of_recipe[a.name] for a, b in pairs}
    largest = max((float(np.abs(difference).max()) for difference in shares.values()), default=0.0)
    with drawing():
        return {
            (a.name, b.name): _figure(
                a,
                b,
                class_names,
                shares[a.name, b.name] / (largest or 1.0),
                significant.get((a.name, b.name), ()),
            )
            for a, b in pairs
        }


def _figure(
    a: FinishedRecipe,
    b: FinishedRecipe,
    class_names: Sequence[str],
    strength: NDArray[np.float64],
    significant: Collection[Cell],
) -> ReportFigure:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    counts = b.results.confusion.mean - a.results.confusion.mean
    num_classes = len(class_names)
    # Above 0 where b is better: more on the diagonal, fewer elsewhere.
    gain = np.where(np.eye(num_classes, dtype=bool), strength, -strength)
    figure, axes = new_figure(6.4, 6.0)
    image = np.empty((num_classes, num_classes, 4))
    image[..., :3] = np.where((gain > 0)[..., None], to_rgb(BLUE), to_rgb(ORANGE))
    image[..., 3] = STRONGEST * np.abs(gain)
    axes.imshow(image, interpolation="none", aspect="auto")
    if num_classes <= MAX_CLASSES_WITH_NUMBERS:
        size = min(9.0, 90.0 / num_classes)
        for true, predicted in itertools.product(range(num_classes), repeat=2):
            value = counts[true, predicted]
            if abs(value) >= 0.05:
                axes.text(
                    predicted, true, f"{value:+.1f}", fontsize=size, ha="center", va="center", in_layout=False
                )
    for true, predicted in significant:
        corner = predicted - 0.46, true - 0.46
        axes.add_patch(Rectangle(corner, 0.92, 0.92, fill=False, edgecolor=INK, linewidth=1.2))
    name_axes(axes, class_names)
    name = f"confusion-difference-{b.name}-{a.name}"
    title = f"{b.name} minus {a.name}"
    described = _describe(counts, gain, class_names, significant)
    unit = "test images per run" if num_classes <= MAX_CLASSES_WITH_NUMBERS else "share of the row"
    return finish(
        figure,
        name,
        alt=f"Difference of two confusion matrices, {title}, {num_classes} classes. {described}",
        caption=f"{title}: difference in {unit}. Blue: {b.name} is more often right or less often wrong; "
        f"orange: the reverse. {described}",
    )


def _describe(
    counts: NDArray[np.float64],
    gain: NDArray[np.float64],
    class_names: Sequence[str],
    significant: Collection[Cell],
) -> str:
    if not counts.any():
        return "The two matrices are equal."
    true, predicted = divmod(int(np.abs(gain).argmax()), len(counts))
    framed = (
        f"Framed: unlikely to be chance ({len(significant)})."
        if significant
        else "Every difference may be chance."
    )
    cell = f"true {class_names[true]}, predicted {class_names[predicted]}"
    if true == predicted:
        cell = f"{class_names[true]}, classified correctly"
    return f"Largest difference: {cell} ({counts[true, predicted]:+.1f} images per run). {framed}"
