"""One sentence on a section of a report, for a reader who does not know its terms."""

from __future__ import annotations

from bakeoff.analysis.comparison.result import Comparison, RecipeResult
from bakeoff.analysis.statistics.calibration import Calibration
from bakeoff.text import points

MOST_RECIPES = 4
"""With more, a sentence names the extremes only."""


def read_calibration(comparison: Comparison) -> str:
    """Whether the recipes are as often right as they are confident; "" without probabilities."""
    known = [(recipe.name, recipe.calibration) for recipe in comparison.recipes if recipe.calibration]
    if not known:
        return ""
    if len(known) > MOST_RECIPES:
        ordered = sorted(known, key=lambda entry: abs(entry[1].gap))
        (best, least), (worst, most) = ordered[0], ordered[-1]
        return f"Nearest to calibrated: {_confidence(best, least)}. Farthest: {_confidence(worst, most)}."
    return f"{'; '.join(_confidence(name, calibration) for name, calibration in known)}."


def _confidence(name: str, calibration: Calibration) -> str:
    low, high = calibration.gap_interval
    if low <= 0 <= high:
        return f"{name} is on average as confident as it is right"
    word = "over" if calibration.gap > 0 else "under"
    return f"{name} is {word}confident by {points(abs(calibration.gap))} points on average"


def read_classes(comparison: Comparison) -> str:
    """The class that is recognized best and the one that is recognized worst, by the mean over recipes."""
    recipes = comparison.recipes
    means = {
        entry.name: sum(_accuracy(recipe, entry.name) for recipe in recipes) / len(recipes)
        for entry in recipes[0].classes
    }
    best, worst = max(means, key=lambda name: means[name]), min(means, key=lambda name: means[name])
    over = "" if len(recipes) == 1 else ", mean over recipes"
    return (
        f"{best} is recognized most often ({points(means[best])} %{over}), {worst} least often "
        f"({points(means[worst])} %)."
    )


def _accuracy(recipe: RecipeResult, class_name: str) -> float:
    return next(entry.accuracy for entry in recipe.classes if entry.name == class_name)
