"""The conclusion of a comparison as a sentence, and the recipe that it supports best; from its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bakeoff.analysis.comparison.result import Comparison, PairResult, RecipeResult
from bakeoff.analysis.statistics.replication import Replication
from bakeoff.analysis.statistics.what_it_takes import MAX_SEEDS, WhatItTakes
from bakeoff.text import counted, interval_points, listed, points

EXPLORATORY_SEEDS = 3
"""Up to this many seeds are exploratory: no unpaired permutation test over three can go below p = 0.10."""

_MOST_PAIRS_IN_FULL = 3


def conclude(
    recipes: Sequence[RecipeResult],
    pairs: Sequence[PairResult],
    *,
    margin: float,
    baseline: str | None,
) -> str:
    """Say what the data support.

    Up to three pairs each get a sentence; more are counted, with the leading group or, against a baseline,
    the recipes that differ from it.

    Parameters
    ----------
    recipes, pairs
        Results, in the study's order.
    margin
        The smallest difference that matters, as a share.
    baseline
        The recipe the others are compared with, or None for all pairs.
    """
    if not pairs:
        only = recipes[0]
        return (
            f"{only.name}: accuracy {points(only.accuracy)} % ({interval_points(only.interval)}); "
            "no other recipe has results to compare it with."
        )
    if len(pairs) <= _MOST_PAIRS_IN_FULL:
        text = "; ".join(_pair_clause(pair, margin) for pair in pairs)
    elif baseline is not None:
        text = _against_baseline(pairs, baseline)
    else:
        text = _among_many(recipes, pairs)
    text = text.replace("the trained", "The trained", 1) if text.startswith("the trained") else text
    return f"{text}. {_reservation(recipes)}".rstrip()


def _pair_clause(pair: PairResult, margin: float) -> str:
    found = pair.model_verdict or pair.verdict
    a, b = pair.a, pair.b
    if pair.model_verdict:
        a, b = f"the trained {a}", f"the trained {b}"
    interval = interval_points(pair.interval)
    if found in ("better", "worse"):
        size = f"{points(abs(pair.difference))} points ({interval_points(_ascending(pair))})"
        clause = f"{b} is {found} than {a} by {size}"
        if pair.smaller_than_margin:
            clause += f", less than the margin of {points(margin)}"
    elif found == "equivalent":
        clause = (
            f"{b} and {a} are equivalent within {points(margin)} points, "
            f"difference {points(pair.difference)} ({interval})"
        )
    else:
        clause = f"{b} and {a}: undecided, difference {points(pair.difference)} points ({interval})"
        if not pair.interval[0] <= 0 <= pair.interval[1]:
            clause += f", which luck among several pairs could explain (Holm p {pair.p_holm:.2g})"
    return clause


def _counts(pairs: Sequence[PairResult]) -> str:
    counts = Counter(pair.model_verdict or pair.verdict for pair in pairs)
    decided = counts["better"] + counts["worse"]
    return f"{decided} decided, {counts['equivalent']} equivalent, {counts['undecided']} undecided"


def _against_baseline(pairs: Sequence[PairResult], baseline: str) -> str:
    text = f"Of {len(pairs)} recipes compared with {baseline}: {_counts(pairs)}"
    for found in ("better", "worse"):
        names = [
            f"{pair.b} by {points(abs(pair.difference))} points ({interval_points(_ascending(pair))})"
            for pair in pairs
            if (pair.model_verdict or pair.verdict) == found
        ]
        if names:
            text += f"; {found}: {'; '.join(names)}"
    return text


def _ascending(pair: PairResult) -> tuple[float, float]:
    low, high = sorted(map(abs, pair.interval))
    return low, high


def _among_many(recipes: Sequence[RecipeResult], pairs: Sequence[PairResult]) -> str:
    beaten_by: dict[str, set[str]] = {recipe.name: set() for recipe in recipes}
    for pair in pairs:
        found = pair.model_verdict or pair.verdict
        if found == "better":
            beaten_by[pair.a].add(pair.b)
        elif found == "worse":
            beaten_by[pair.b].add(pair.a)
    kind = "recipes" if any(pair.compares == "recipes" for pair in pairs) else "trained models"
    text = f"Of {len(pairs)} pairs of {kind}: {_counts(pairs)}"
    leading = sorted(
        (recipe for recipe in recipes if not beaten_by[recipe.name]), key=lambda recipe: -recipe.accuracy
    )
    names = [
        f"{recipe.name} {points(recipe.accuracy)} % ({interval_points(recipe.interval)})"
        for recipe in leading
    ]
    others = [recipe.name for recipe in recipes if recipe is not leading[0]]
    if len(leading) == len(recipes):
        return f"{text}; none is shown to be better than another"
    if len(leading) == 1 and all(leading[0].name in beaten_by[name] for name in others):
        return f"{text}; {names[0]} is better than each of the others"
    return f"{text}; not shown to be worse than any other: {listed(names)}"


def _reservation(recipes: Sequence[RecipeResult]) -> str:
    if len(recipes) < 2:
        return ""
    single = [recipe.name for recipe in recipes if recipe.num_seeds == 1]
    if len(single) == len(recipes):
        return (
            "One seed a recipe: this compares "
            f"{'two trained models, not two' if len(recipes) == 2 else 'trained models, not'} recipes; "
            "which recipe is better is undecided."
        )
    if single:
        return (
            f"One seed of {listed(single)}: what concerns {'it' if len(single) == 1 else 'them'} compares "
            "trained models, not recipes, and leaves the recipes undecided."
        )
    fewest = min(recipe.num_seeds for recipe in recipes)
    if fewest <= EXPLORATORY_SEEDS:
        return f"With {fewest} seeds a recipe this is exploratory."
    return ""


def say_what_it_takes(
    needs: WhatItTakes, *, half_width: float, num_seeds: int, num_images: int, margin: float
) -> str:
    """Say what would bring the interval of a difference to the margin, or that no number of seeds can.

    Parameters
    ----------
    needs
        From `what_it_takes`.
    half_width
        Of the interval as it is, as a share.
    num_seeds, num_images
        As they are; of two numbers of seeds the fewer.
    margin
        As a share.
    """
    target = f"±{points(margin)} points"
    if num_seeds == 1:
        return (
            "One seed tells nothing about how much seeds matter: train 5 or more a recipe, then this can be "
            "answered."
        )
    if half_width <= margin:
        return f"The interval is ±{points(half_width)} points, inside the {target} asked for already."
    if needs.seeds_needed is not None:
        return f"About {counted(needs.seeds_needed, 'seed')} a recipe would bring the interval to {target}."
    assert needs.image_half_width is not None
    if needs.image_half_width <= margin:
        reason = f"More than {MAX_SEEDS:,} seeds a recipe would be needed for {target}"
    else:
        reason = (
            f"No number of seeds can bring the interval to {target}: "
            f"the {counted(num_images, 'test image')} alone leave ±{points(needs.image_half_width)} points"
        )
    if needs.images_needed is None or needs.images_needed_seeds is None:
        return f"{reason}."
    images = f"about {_round_up(needs.images_needed):,} images could"
    if needs.images_needed_seeds > num_seeds:
        images += f", with {needs.images_needed_seeds} seeds a recipe"
    return f"{reason}; {images}."


def _round_up(number: int) -> int:
    """Two leading digits are all that an estimate of this kind bears."""
    step: int = 10 ** max(len(str(number)) - 2, 0)
    return -(-number // step) * step


def say_replication(name: str, found: Replication) -> str:
    """Say whether a published accuracy lies where one new run would.

    Parameters
    ----------
    name
        The recipe's.
    found
        From `replication`.
    """
    published = f"the published {points(found.published)} %"
    if found.interval is None:
        return f"{name}: {published} cannot be judged from one seed."
    where = "inside" if found.inside else "outside"
    follows = "it replicates" if found.inside else "it does not replicate"
    return (
        f"{name}: {published} lies {where} the prediction interval of one new run, "
        f"{interval_points(found.interval)} %: {follows}."
    )


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
