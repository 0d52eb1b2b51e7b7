"""The conclusion of a comparison in words, and the recipe that it supports best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bakeoff.analysis.comparison.result import Comparison, PairResult, RecipeResult, best_first
from bakeoff.analysis.scores.scale import Scale
from bakeoff.analysis.statistics.replication import Replication
from bakeoff.analysis.statistics.what_it_takes import ENOUGH_SEEDS, SEEDS, TIMES_IMAGES, Chances, WhatItTakes
from bakeoff.text import counted, interval_points, listed, percent, points

EXPLORATORY_SEEDS = 3
"""Up to this many seeds are exploratory: no unpaired permutation test over three can go below p = 0.10."""

UNBALANCED = 3
"""Accuracy hides the smallest class if the largest has more than this many times its images."""

_MOST_PAIRS_IN_FULL = 3

_MOST_CLASSES = 4


def conclude(
    recipes: Sequence[RecipeResult],
    pairs: Sequence[PairResult],
    *,
    scale: Scale,
    margin: float,
    baseline: str | None,
    budgets: str = "",
) -> str:
    """Describe what the data support.

    Up to three pairs are described one by one; more are counted, followed by the leading recipes or, if there
    is a baseline, the recipes that differ from it.

    Parameters
    ----------
    recipes, pairs
        Results, in the study's order.
    scale
        Of the metric.
    margin
        The smallest difference that matters, in the unit of the score.
    baseline
        The recipe that the others are compared with, or None for all pairs.
    budgets
        A clause on how the recipes were tuned, from `describe_budgets`; "" if none was.
    """
    hidden = _what_accuracy_hides(recipes) if scale.is_accuracy else ""
    if not pairs:
        only = recipes[0]
        return (
            f"{only.name}: {scale.name} {scale.value(only.score)} ({scale.interval(only.interval)}); "
            f"there is no other recipe with results to compare it with{f'; {budgets}' if budgets else ''}. "
            f"{hidden}"
        ).rstrip()
    if len(pairs) <= _MOST_PAIRS_IN_FULL:
        text = "; ".join(_pair_clause(pair, scale, margin) for pair in pairs)
    elif baseline is not None:
        text = _against_baseline(pairs, scale, baseline)
    else:
        text = _among_many(recipes, pairs, scale)
    if scale.preface:
        text = scale.preface + (text.replace("Of", "of", 1) if text.startswith("Of ") else text)
    text = text.replace("the trained", "The trained", 1) if text.startswith("the trained") else text
    text += f"; {budgets}" if budgets else ""
    return " ".join(part for part in (f"{text}.", hidden, _reservation(recipes)) if part)


def _pair_clause(pair: PairResult, scale: Scale, margin: float) -> str:
    verdict = pair.stated_verdict
    a, b = pair.a, pair.b
    if pair.model_verdict:
        a, b = f"the trained {a}", f"the trained {b}"
    low, high = pair.interval
    size = scale.difference(abs(pair.difference))
    if scale.number(pair.difference) == scale.number(0.0):
        apart = f"{b} and {a} differ by {size} ({scale.interval((low, high))})"
    elif pair.difference > 0:
        apart = f"{b} higher than {a} by {size} ({scale.interval((low, high))})"
    else:
        size = scale.difference(pair.difference)  # with its sign, as in the figure and the table
        apart = f"{b} lower than {a} (difference {size}, {scale.interval((low, high))})"
    if verdict in ("better", "worse"):
        clause = f"{b} is {verdict} than {a} by {_size(pair, scale)}"
        if pair.smaller_than_margin:
            clause += f", less than the margin of {scale.number(margin)}"
    elif verdict == "equivalent":
        clause = f"{apart}, equivalent within {scale.difference(margin)}{_not_alike(pair)}"
    else:
        clause = f"{apart}, undecided"
        if not pair.interval[0] <= 0 <= pair.interval[1]:
            clause += f": not significant after correction for the number of pairs (p = {pair.p_holm:.2g})"
    return clause


def _size(pair: PairResult, scale: Scale) -> str:
    """How far apart the two are, without a sign: "0.7 points (0.1 to 1.3)"."""
    low, high = sorted(map(abs, pair.interval))
    return f"{scale.difference(abs(pair.difference))} ({scale.interval((low, high))})"


def _not_alike(pair: PairResult) -> str:
    """The classes in which two equivalent recipes differ, the largest difference first."""
    differing = sorted(
        (entry for entry in pair.classes if entry.beyond_luck), key=lambda entry: -abs(entry.difference)
    )
    if not differing:
        return ""
    each = [
        f"{entry.name} {points(entry.difference)} points ({interval_points(entry.interval)})"
        for entry in differing[:_MOST_CLASSES]
    ]
    if more := len(differing) - len(each):
        each.append(f"{more} more")
    return f", but not alike: by accuracy on single classes, {listed(each)}"


def _what_accuracy_hides(recipes: Sequence[RecipeResult]) -> str:
    """The balanced accuracy of the recipes, where classes are unbalanced."""
    classes = sorted(recipes[0].classes, key=lambda entry: entry.num_images)
    smallest, largest = classes[0], classes[-1]
    if largest.num_images <= UNBALANCED * smallest.num_images:
        return ""
    balanced = {
        recipe.name: other.score for recipe in recipes if (other := recipe.other("balanced_accuracy"))
    }
    each = listed([f"{name} {points(score)} %" for name, score in balanced.items()])
    if len(balanced) > _MOST_PAIRS_IN_FULL:
        each = f"{points(min(balanced.values()))} to {points(max(balanced.values()))} %"
    return (
        f"Accuracy hides the small classes here ({counted(largest.num_images, 'test image')} of "
        f"{largest.name}, {smallest.num_images:,} of {smallest.name}): with each class counted the same, the "
        f"balanced accuracy is {each}; the metric balanced_accuracy gives verdicts by it."
    )


def _counts(pairs: Sequence[PairResult]) -> str:
    counts = Counter(pair.stated_verdict for pair in pairs)
    decided = counts["better"] + counts["worse"]
    return f"{decided} decided, {counts['equivalent']} equivalent, {counts['undecided']} undecided"


def _against_baseline(pairs: Sequence[PairResult], scale: Scale, baseline: str) -> str:
    text = f"Of {len(pairs)} recipes compared with {baseline}: {_counts(pairs)}"
    for verdict in ("better", "worse"):
        those = [pair for pair in pairs if pair.stated_verdict == verdict]
        those.sort(key=lambda pair: -abs(pair.difference))
        names = [f"{pair.b} by {_size(pair, scale)}" for pair in those[:_MOST_PAIRS_IN_FULL]]
        if len(those) > len(names):
            names.append(f"{len(those) - len(names)} more")
        if names:
            text += f"; {verdict}: {'; '.join(names)}"
    return text


def _among_many(recipes: Sequence[RecipeResult], pairs: Sequence[PairResult], scale: Scale) -> str:
    beaten_by: dict[str, set[str]] = {recipe.name: set() for recipe in recipes}
    for pair in pairs:
        verdict = pair.stated_verdict
        if verdict == "better":
            beaten_by[pair.a].add(pair.b)
        elif verdict == "worse":
            beaten_by[pair.b].add(pair.a)
    kind = "recipes" if any(pair.compares == "recipes" for pair in pairs) else "trained models"
    text = f"Of {len(pairs)} pairs of {kind}: {_counts(pairs)}"
    leading = best_first((recipe for recipe in recipes if not beaten_by[recipe.name]), scale)
    names = [
        f"{recipe.name} {scale.value(recipe.score)} ({scale.interval(recipe.interval)})" for recipe in leading
    ]
    others = [recipe.name for recipe in recipes if recipe is not leading[0]]
    if len(leading) == len(recipes):
        return f"{text}; no recipe is shown to be better than another"
    if len(leading) == 1 and all(leading[0].name in beaten_by[name] for name in others):
        return f"{text}; {names[0]} is better than each of the others"
    return f"{text}; not shown to be worse than any other: {listed(names)}"


def _reservation(recipes: Sequence[RecipeResult]) -> str:
    if len(recipes) < 2:
        return ""
    single = [recipe.name for recipe in recipes if recipe.num_seeds == 1]
    if len(single) == len(recipes):
        return (
            "One seed per recipe: this compares "
            f"{'two trained models, not two' if len(recipes) == 2 else 'trained models, not'} recipes; "
            f"which recipe is better is undecided. Train {ENOUGH_SEEDS} or more seeds per recipe."
        )
    if single:
        return (
            f"{listed(single)} {'has' if len(single) == 1 else 'have'} one seed: comparisons with "
            f"{'it' if len(single) == 1 else 'them'} compare trained models, not recipes, and leave "
            f"open which recipe is better. Train {ENOUGH_SEEDS} or more seeds per recipe."
        )
    fewest = min(recipe.num_seeds for recipe in recipes)
    if fewest <= EXPLORATORY_SEEDS:
        return f"With {fewest} seeds per recipe, these results are exploratory."
    return ""


def describe_what_it_takes(needs: WhatItTakes, *, num_seeds: int, grouped: bool = False) -> str:
    """Describe how many more seeds or images would probably settle an undecided pair.

    Parameters
    ----------
    needs
        From `what_it_takes`.
    num_seeds
        Of the recipe that has fewer.
    grouped
        Whether its images are groups of images.
    """
    unit = "group" if grouped else "test image"
    if needs.chances is None and needs.image_half_width is not None:
        return (
            f"No {unit} tells the recipes apart, so that a verdict cannot be predicted, and more seeds like "
            f"these would not settle it: more {unit}s are needed"
            + (
                f"; if none of about {_round_up(needs.images_needed):,} shows a difference, the recipes are "
                "equivalent."
                if needs.images_needed
                else "."
            )
        )
    if needs.chances is None:
        return (
            "Unknown: with one seed, the variation between seeds cannot be estimated. "
            f"Train {ENOUGH_SEEDS} or more seeds per recipe."
        )
    chance = f"the chance of a verdict is about {percent(needs.chances.any, 0)} %"
    if needs.seeds_needed is not None:
        return f"With {needs.seeds_needed:,} seeds per recipe in all, {chance}{_likely(needs.chances)}."
    if needs.images_needed is not None and needs.images_needed_seeds is not None:
        return (
            f"More seeds alone would probably not settle it. With about {_round_up(needs.images_needed):,} "
            f"{unit}s and {counted(needs.images_needed_seeds, 'seed')} per recipe in all, {chance}"
            f"{_likely(needs.chances)}."
        )
    if num_seeds < ENOUGH_SEEDS:
        return (
            f"Unknown: a verdict cannot be predicted from {num_seeds} seeds. "
            f"Train {ENOUGH_SEEDS} or more seeds per recipe."
        )
    return (
        f"Neither up to {SEEDS[-1]} seeds per recipe nor up to {TIMES_IMAGES[-1]} times as many {unit}s "
        f"would probably settle it (a chance of {percent(needs.chances.any, 0)} % at most): choose by cost, "
        "or set a larger margin."
    )


def _likely(chances: Chances) -> str:
    """How the chance is made up, the most probable verdict first, such as ": better 75 %, equivalent 6 %"."""
    named = sorted(vars(chances).items(), key=lambda item: -item[1])
    likely = [(name, percent(chance, 0)) for name, chance in named if chance >= 0.005]
    if len(likely) == 1:
        return f", for {likely[0][0]}"
    return f": {', '.join(f'{name} {chance} %' for name, chance in likely)}"


def _round_up(number: int) -> int:
    """Round up to two leading digits: the estimate is not more precise."""
    step: int = 10 ** max(len(str(number)) - 2, 0)
    return -(-number // step) * step


def describe_replication(name: str, result: Replication) -> str:
    """State whether a published accuracy lies in the prediction interval of one new run.

    Parameters
    ----------
    name
        The recipe's name.
    result
        From `replication`.
    """
    published = f"the published {points(result.published)} %"
    if result.interval is None:
        return f"{name}: {published} cannot be compared with one seed."
    where = "inside" if result.inside else "outside"
    follows = "consistent with" if result.inside else "not consistent with"
    return (
        f"{name}: {published} lies {where} the prediction interval of one new run, "
        f"{interval_points(result.interval)} %: {follows} a run of this recipe on other test images."
    )


_MOST_NAMES = 3


@dataclass(frozen=True)
class SupportedRecipe:
    """The recipe that a comparison supports best.

    Attributes
    ----------
    name
        The recipe's name.
    reason
        A clause such as "better than lenet5".
    among_equals
        Why this one, where verdicts alone do not say it; "" where they do.
    verdicts
        The part of the reason that verdicts are, and so the test images; "" if they decided nothing.
    """

    name: str
    reason: str
    among_equals: str = ""
    verdicts: str = ""

    @property
    def by_verdict(self) -> bool:
        """Whether it was chosen by verdicts."""
        return bool(self.verdicts)


def supported_recipe(comparison: Comparison, val_accuracy: Mapping[str, float]) -> SupportedRecipe:
    """Choose a recipe by the verdicts.

    It is better than at least one other recipe and worse than none; of several such recipes, the one that is
    better than the most others, and of several of these, the one with the highest validation accuracy. If
    there is no such recipe, it is the baseline, or the first recipe if the comparison has no baseline: a
    higher accuracy that could be chance is no reason to choose a recipe.

    Parameters
    ----------
    comparison
        Only its verdicts are used, nothing else that was measured on test images.
    val_accuracy
        By recipe, mean over seeds; empty if it is not known.
    """
    names = [recipe.name for recipe in comparison.recipes]
    beats: dict[str, list[str]] = {name: [] for name in names}
    for pair in comparison.pairs:
        verdict = pair.stated_verdict
        if verdict == "better":
            beats[pair.b].append(pair.a)
        elif verdict == "worse":
            beats[pair.a].append(pair.b)
    beaten = {loser for losers in beats.values() for loser in losers}
    leading = [name for name in names if beats[name] and name not in beaten]
    if not leading:
        return _undecided(comparison, names)
    most = max(len(beats[name]) for name in leading)
    equal = [name for name in leading if len(beats[name]) == most]
    chosen = max(equal, key=lambda name: val_accuracy.get(name, 0.0))  # the first of equals
    verdicts = f"better than {_some(beats[chosen])}"
    others = [name for name in names if name != chosen and name not in beats[chosen]]
    pairs = {frozenset((pair.a, pair.b)) for pair in comparison.pairs}
    compared = [name for name in others if {name, chosen} in pairs]
    if compared:  # undecided or equivalent
        verdicts += f", not shown to be better than {_some(compared)}"
    if len(compared) < len(others):
        verdicts += f", not compared with {_some([name for name in others if name not in compared])}"
    if len(equal) == 1:
        return SupportedRecipe(chosen, verdicts, verdicts=verdicts)
    first = "the one with the highest validation accuracy" if val_accuracy else "the first"
    return SupportedRecipe(
        chosen,
        f"{verdicts}; of {counted(len(equal), 'such recipe')}, {first}",
        f"of {len(equal)} that are better than as many others, {first}",
        verdicts,
    )


def _undecided(comparison: Comparison, names: list[str]) -> SupportedRecipe:
    chosen = comparison.baseline or names[0]
    if len(names) == 1:
        return SupportedRecipe(chosen, "the only recipe with a finished run")
    first = "the baseline" if comparison.baseline else "the first recipe"
    role = f"{first}, until another is shown to be better"
    return SupportedRecipe(chosen, role, role)


def _some(names: list[str]) -> str:
    return listed(names) if len(names) <= _MOST_NAMES else f"{len(names)} other recipes"
