"""describe_curve(): what a learning curve shows, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.analysis.learning_curve.power_law import FEWEST_SIZES
from bakeoff.text import counted, listed

if TYPE_CHECKING:
    from bakeoff.analysis.learning_curve.curve import LearningCurve

MOST_SENTENCES = 6
"""Pairs, and recipes, of which the text speaks one by one."""

MAY_BE_CHANCE = ", which may be chance: the interval of the difference does not exclude 0 on both sides"


def describe_curve(curve: LearningCurve) -> tuple[str, ...]:
    """Where one recipe overtakes another, what more images may give, and which runs are missing."""
    return (*_on_crossings(curve), *_on_predictions(curve), *_on_missing(curve))


def _on_crossings(curve: LearningCurve) -> list[str]:
    pairs = list(dict.fromkeys((one.a, one.b) for one in curve.differences))
    if not pairs:
        return []
    sentences = [
        f"{crossing.by} overtakes {crossing.overtaken} between {crossing.after:,} and {crossing.at:,} "
        f"training images{'' if crossing.is_clear else MAY_BE_CHANCE}."
        for crossing in curve.crossings
    ]
    if len(sentences) > MOST_SENTENCES:
        more = counted(len(sentences) - MOST_SENTENCES, "more crossing")
        sentences = [*sentences[:MOST_SENTENCES], f"There are {more}."]
    crossed = {frozenset((crossing.by, crossing.overtaken)) for crossing in curve.crossings}
    without = [pair for pair in pairs if frozenset(pair) not in crossed]
    if len(without) > MOST_SENTENCES:
        return [*sentences, f"In {len(without):,} pairs none overtakes the other."]
    for a, b in without:
        of_pair = [one for one in curve.differences if (one.a, one.b) == (a, b)]
        ahead, other = (b, a) if curve.scale.sign * sum(one.difference for one in of_pair) > 0 else (a, b)
        clear = [f"{one.size:,}" for one in of_pair if one.is_clear]
        where = (
            "every interval of the difference excludes 0"
            if len(clear) == len(of_pair)
            else f"the interval of the difference excludes 0 with {listed(clear)}"
            if clear
            else ("no interval of the difference excludes 0")
        )
        sentences.append(
            f"{ahead} is ahead of {other} with each number of training images here; {where}."
            if any(one.difference for one in of_pair)
            else f"{b} and {a} are equal with each number of training images here."
        )
    return sentences


def _on_predictions(curve: LearningCurve) -> list[str]:
    predicted = [(recipe.name, recipe.prediction) for recipe in curve.recipes if recipe.prediction]
    if not predicted:
        return [
            f"What more images would give is not predicted: that takes {FEWEST_SIZES} numbers of training "
            "images, with two or more seeds each, and all training images among them."
        ]
    scale = curve.scale
    each = [
        f"{name} {scale.value(found.value)} ({scale.interval((found.low, found.high))})"
        for name, found in predicted[:MOST_SENTENCES]
    ]
    more = f"; {len(predicted) - MOST_SENTENCES} more in the table" if len(predicted) > MOST_SENTENCES else ""
    return [
        f"With twice the images, {curve.predicted_size:,}, as many runs would probably have, on these test "
        f"images: {listed(each)}{more}. A power law is continued by a factor of two, never further; "
        f"it holds for images like these.{_on_lower(curve)}"
    ]


def _on_lower(curve: LearningCurve) -> str:
    """A sentence on the recipes whose prediction is worse than what was measured; "" if there are none."""
    scale = curve.scale
    lower = [
        f"{recipe.name} ({scale.value(recipe.points[-1].score)} measured)"
        for recipe in curve.recipes
        if (found := recipe.prediction)
        and scale.sign * (found.value - recipe.points[-1].score) < 0
        and scale.number(found.value) != scale.number(recipe.points[-1].score)
    ]
    if not lower:
        return ""
    return (
        f" Not a loss by more images: for {listed(lower)}, the curve is fitted through all sizes, "
        "and is worse than the last score, which chance may have favoured."
    )


def _on_missing(curve: LearningCurve) -> list[str]:
    few = [
        f"{recipe.name} with {size:,} ({counted(point.num_seeds if point else 0, 'run')})"
        for recipe in curve.recipes
        for size in curve.sizes
        if (point := recipe.point(size)) is None or point.num_seeds < curve.num_seeds
    ]
    if not few:
        return []
    more = [f"{len(few) - MOST_SENTENCES} more"] if len(few) > MOST_SENTENCES else []
    return [
        f"Runs failed or are not finished, of {curve.num_seeds} for each number of images: "
        f"{listed([*few[:MOST_SENTENCES], *more])}; see `bakeoff status`."
    ]
