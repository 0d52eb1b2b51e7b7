"""The recipe that a comparison supports best: what prediction and export take where none is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bakeoff.analysis.comparison_result import Comparison
from bakeoff.text import counted, listed

_MOST_NAMES = 3


@dataclass(frozen=True)
class SupportedRecipe:
    """A recipe, and why it is the one.

    Attributes
    ----------
    name
        The recipe's.
    reason
        A clause such as "better than lenet5".
    by_verdict
        Whether verdicts chose it, and with them the test images.
    """

    name: str
    reason: str
    by_verdict: bool = False


def supported_recipe(comparison: Comparison, val_accuracy: Mapping[str, float]) -> SupportedRecipe:
    """Choose a recipe by the verdicts.

    It is better than at least one other recipe and worse than none; of several such recipes it is better than
    the most, and of several of these it has the highest validation accuracy. Where no recipe is such, it is
    the baseline, or the first recipe where the comparison has no baseline: a higher accuracy that luck could
    explain chooses nothing.

    Parameters
    ----------
    comparison
        Its verdicts are used, and nothing else that was measured on test images.
    val_accuracy
        By recipe, mean over seeds.
    """
    names = [recipe.name for recipe in comparison.recipes]
    beats: dict[str, list[str]] = {name: [] for name in names}
    for pair in comparison.pairs:
        found = pair.model_verdict or pair.verdict
        if found == "better":
            beats[pair.b].append(pair.a)
        elif found == "worse":
            beats[pair.a].append(pair.b)
    beaten = {loser for losers in beats.values() for loser in losers}
    leading = [name for name in names if beats[name] and name not in beaten]
    if not leading:
        return _undecided(comparison, names)
    most = max(len(beats[name]) for name in leading)
    equal = [name for name in leading if len(beats[name]) == most]
    chosen = max(equal, key=lambda name: val_accuracy[name])  # the first of equals
    reason = f"better than {_some(beats[chosen])}"
    others = [name for name in names if name != chosen and name not in beats[chosen]]
    if others:
        reason += f", not shown to be worse than {_some(others)}"
    if len(equal) > 1:
        reason += f"; of {counted(len(equal), 'such recipe')} the one with the highest validation accuracy"
    return SupportedRecipe(chosen, reason, by_verdict=True)


def _undecided(comparison: Comparison, names: list[str]) -> SupportedRecipe:
    chosen = comparison.baseline or names[0]
    if len(names) == 1:
        return SupportedRecipe(chosen, "the only recipe with a finished run")
    role = "the baseline" if comparison.baseline else "the first recipe of the study"
    return SupportedRecipe(chosen, f"{role}; no recipe is shown to be better than another")


def _some(names: list[str]) -> str:
    return listed(names) if len(names) <= _MOST_NAMES else f"{len(names)} other recipes"
