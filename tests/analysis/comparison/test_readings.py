"""One sentence on a section, computed from the comparison."""

import re

from tests.analysis.comparison.samples import draw_predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.readings import read_calibration, read_classes


def test_calibration_names_the_direction_and_the_size_or_that_there_is_none() -> None:
    comparison = compare(draw_predictions())
    clauses = read_calibration(comparison).rstrip(".").split("; ")
    for recipe, clause in zip(comparison.recipes, clauses, strict=True):
        gap, (low, high) = recipe.calibration.gap, recipe.calibration.gap_interval
        if low <= 0 <= high:
            assert clause == f"{recipe.name} is on average as confident as it is right"
        else:
            word = "overconfident" if gap > 0 else "underconfident"
            assert clause == f"{recipe.name} is {word} by {abs(100 * gap):.1f} points on average"


def test_of_many_recipes_the_nearest_and_the_farthest() -> None:
    comparison = compare(draw_predictions(num_recipes=6, num_seeds=2))
    gaps = {recipe.name: abs(recipe.calibration.gap) for recipe in comparison.recipes}
    nearest, farthest = re.match(
        r"Nearest to calibrated: (\w+) .*Farthest: (\w+) ", read_calibration(comparison)
    ).groups()
    assert (nearest, farthest) == (min(gaps, key=gaps.get), max(gaps, key=gaps.get))


def test_without_probabilities_there_is_nothing_to_say() -> None:
    assert read_calibration(compare(draw_predictions(probabilities=False))) == ""


def test_classes_are_the_best_and_the_worst_by_their_mean_over_recipes() -> None:
    comparison = compare(draw_predictions())
    means = {
        entry.name: sum(recipe.classes[place].accuracy for recipe in comparison.recipes) / 3
        for place, entry in enumerate(comparison.recipes[0].classes)
    }
    best, worst = max(means, key=means.get), min(means, key=means.get)
    assert read_classes(comparison) == (
        f"{best} is recognized most often ({100 * means[best]:.1f} %, mean over recipes), {worst} least "
        f"often ({100 * means[worst]:.1f} %)."
    )
