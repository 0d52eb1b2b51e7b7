"""Scores against the number of training images, with intervals and what twice the images may give."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from bakeoff.analysis.learning_curve.curve import LearningCurve


def learning_curve_figure(curve: LearningCurve | None, leading: list[str]) -> ReportFigure | None:
    """Draw the curves of up to `MAX_RECIPES` recipes, the leading ones first; None without a curve."""
    if curve is None:
        return None
    from matplotlib.ticker import NullFormatter, NullLocator

    ranked = sorted(curve.recipes, key=lambda recipe: recipe.name not in leading)[:MAX_RECIPES]
    shown = [recipe for recipe in curve.recipes if recipe in ranked]
    scale = curve.scale
    parts = []
    with drawing():
        figure, axes = new_figure(5.6, 3.4)
        for number, (recipe, color, marker) in enumerate(zip(shown, COLORS, MARKERS, strict=False)):
            shift = 1 + 0.015 * (number - (len(shown) - 1) / 2)  # intervals side by side
            places = [shift * point.num_train for point in recipe.points]
            scores = [scale.factor * point.score for point in recipe.points]
            ends = [[scale.factor * end for end in point.interval] for point in recipe.points]
            axes.plot(places, scores, color=color, marker=marker, markersize=5, label=drawn_text(recipe.name))
            axes.vlines(places, *zip(*ends, strict=True), color=color, linewidth=1.2)
            first, last = recipe.points[0], recipe.points[-1]
            parts.append(
                f"{recipe.name} {scale.value(first.score)} with {first.size:,} and "
                f"{scale.value(last.score)} with {last.size:,}"
            )
            if found := recipe.prediction:
                at = shift * found.num_train
                values = [scale.factor * value for value in (found.value, found.low, found.high)]
                axes.plot([places[-1], at], [scores[-1], values[0]], color=color, linestyle=":", linewidth=1)
                axes.plot(at, values[0], color=color, marker=marker, markersize=5, markerfacecolor="none")
                axes.vlines(at, values[1], values[2], color=color, linewidth=1.2, linestyle=":")
        axes.set_xscale("log")
        ticks = [*curve.sizes, curve.predicted_size] if any(one.prediction for one in shown) else curve.sizes
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("training images (logarithmic)")
        axes.set_ylabel(scale.heading)
        figure.legend(loc="outside upper left", ncols=3, fontsize=8)
        text = "; ".join(parts)
        left = len(curve.recipes) - len(shown)
        return finish(
            figure,
            "learning-curve",
            alt=f"Line chart: {scale.name} against the number of training images: {text}.",
            caption=(
                f"{scale.title} against the number of training images, with intervals of "
                f"{100 * curve.confidence:g} %: {text}. Hollow, with dotted intervals: predicted."
                f"{f' {left} more recipes are in the table.' if left else ''}"
            ),
        )
