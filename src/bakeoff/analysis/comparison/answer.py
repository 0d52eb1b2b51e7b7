"""The answer of a comparison in a few sentences: who won, how sure it is, what would settle the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bakeoff.analysis.comparison.conclusion import EXPLORATORY_SEEDS, SupportedRecipe, supported_recipe
from bakeoff.analysis.comparison.result import Comparison, PairResult, RecipeResult, best_first
from bakeoff.analysis.statistics.verdict import VerdictName
from bakeoff.analysis.statistics.what_it_takes import ENOUGH_SEEDS
from bakeoff.text import listed, span

MOST_SHOWN = 4
"""Recipes, or pairs, in the answer: the leading ones. The comparison in full has all."""

MOST_TO_SETTLE = 2
"""Undecided pairs for which the answer says what would settle them."""

_MIRRORED: dict[VerdictName, VerdictName] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class Answer:
    """What a reader with a minute has to know; every sentence follows from the comparison.

    Attributes
    ----------
    headline
        Who won, or that nobody did.
    choice
        The recipe to use, and why; as `bakeoff predict` chooses.
    certainty
        Whether that is sure, for the chosen recipe: "Yes", "In part" or "No", and against which recipes;
        "" if there is nothing to compare.
    to_be_sure
        What would make it sure, sentence by sentence: seeds, images, comparisons that were not made, or that
        nothing more is needed; empty if there is nothing to compare.
    standings
        By recipe: its verdicts against the others, in a few words.
    covers
        What the intervals cover, and what they do not.
    num_unsettled
        The undecided pairs of which `to_be_sure` says nothing.
    recipes, pairs
        The leading ones, the best first, at most `MOST_SHOWN` of each: the baseline is always among the
        recipes.
    """

    headline: str
    choice: SupportedRecipe
    certainty: str
    to_be_sure: tuple[str, ...]
    standings: dict[str, str]
    covers: str
    num_unsettled: int
    recipes: tuple[RecipeResult, ...]
    pairs: tuple[PairResult, ...]


def answer(comparison: Comparison, val_accuracy: Mapping[str, float]) -> Answer:
    """Answer which recipe is better.

    Parameters
    ----------
    comparison
        The result.
    val_accuracy
        By recipe, mean over seeds: decides between recipes that the verdicts support equally. Empty if it is
        not known.
    """
    choice = supported_recipe(comparison, val_accuracy)
    of_choice = [pair for pair in comparison.to_settle if choice.name in (pair.a, pair.b)]
    nearest = sorted(of_choice, key=lambda pair: pair.p)[:MOST_TO_SETTLE]
    nearest = [pair for pair in of_choice if pair in nearest]  # in the order of the figures and tables
    return Answer(
        headline=_headline(comparison, choice),
        choice=choice,
        certainty=_certainty(comparison, choice),
        to_be_sure=_to_be_sure(comparison, choice, nearest),
        standings={recipe.name: _standing(recipe.name, comparison) for recipe in comparison.recipes},
        covers=_covers(comparison),
        num_unsettled=len(comparison.to_settle) - len(nearest),
        recipes=_leading_recipes(comparison),
        pairs=_leading_pairs(comparison, choice.name),
    )


def verdicts_of(name: str, comparison: Comparison) -> dict[str, VerdictName]:
    """The verdict on this recipe against each other one that it is compared with, by the other's name."""
    verdicts = {}
    for pair in comparison.pairs:
        if pair.b == name:
            verdicts[pair.a] = pair.stated_verdict
        elif pair.a == name:
            verdicts[pair.b] = _MIRRORED.get(pair.stated_verdict, pair.stated_verdict)
    return verdicts


def _headline(comparison: Comparison, choice: SupportedRecipe) -> str:
    pairs, baseline = comparison.pairs, comparison.baseline
    if not pairs:
        return f"{choice.name} is the only recipe with results: there is nothing to compare it with."
    models = "Of these trained models, " if any(pair.model_verdict for pair in pairs) else ""
    if choice.by_verdict:
        rivals = verdicts_of(choice.name, comparison)
        others = len(comparison.recipes) - 1
        counts = [recipe.num_seeds for recipe in comparison.recipes]
        seeds = f", with {span(counts)} seeds per recipe" if 1 < min(counts) <= EXPLORATORY_SEEDS else ""
        if len(rivals) == others and set(rivals.values()) == {"better"}:
            than = "the other recipe" if others == 1 else f"each of the {others} others"
            return f"{models}{choice.name} is better than {than}{seeds}."
        if len(rivals) < others:  # which of them, `certainty` says
            beaten = [name for name, verdict in rivals.items() if verdict == "better"]
            return f"{models}{choice.name} is better than {_named(beaten)}{seeds}."
        return f"{models}{choice.name} is ahead{seeds}: {choice.verdicts}."
    verdicts = {pair.stated_verdict for pair in pairs}
    if verdicts == {"equivalent"}:
        margin = comparison.scale.difference(comparison.margin)
        return f"No winner: the recipes are equivalent within {margin}."
    if baseline is not None:
        if "undecided" in verdicts:
            return f"No winner: no recipe is shown to be better than {baseline}, the baseline."
        return f"No recipe is better than {baseline}, the baseline."
    return "No winner: no recipe is shown to be better than another."


def _certainty(comparison: Comparison, choice: SupportedRecipe) -> str:
    pairs, name = comparison.pairs, choice.name
    if not pairs:
        return ""
    verdicts = verdicts_of(name, comparison)
    better, equivalent, undecided = (
        [other for other, found in verdicts.items() if found == verdict]
        for verdict in ("better", "equivalent", "undecided")
    )
    clauses = []
    if better:
        highest = max(
            pair.p_holm for pair in pairs if name in (pair.a, pair.b) and {pair.a, pair.b} & {*better}
        )
        corrected = f", corrected for {len(pairs)} pairs" if len(pairs) > 1 else ""
        clauses.append(f"better than {_named(better)} (p {_p(highest)}{corrected})")
    if equivalent:
        clauses.append(
            f"equivalent to {_named(equivalent)} within {comparison.scale.difference(comparison.margin)}"
        )
    if undecided:
        clauses.append(f"undecided against {_named(undecided)}")
    apart, few = _not_compared(name, comparison), _too_few_seeds(comparison) if better or equivalent else ""
    clauses += [clause for clause in (apart, few) if clause]
    word = "No" if not (better or equivalent) else "In part" if undecided or apart or few else "Yes"
    return f"{word}: {'; '.join(clauses)}."


def _too_few_seeds(comparison: Comparison) -> str:
    """What the seeds cannot show; "" if they are enough."""
    fewest = min(recipe.num_seeds for recipe in comparison.recipes)
    if fewest > EXPLORATORY_SEEDS:
        return ""
    if fewest == 1:
        return "with one seed, this is about the trained models and not about their recipes"
    return f"{fewest} seeds hardly show how much runs of a recipe vary"


def _to_be_sure(
    comparison: Comparison, choice: SupportedRecipe, nearest: list[PairResult]
) -> tuple[str, ...]:
    if not comparison.pairs:
        return ()
    sentences = [f"{pair.b} against {pair.a}: {pair.what_it_takes}" for pair in nearest]
    if others := len(comparison.recipes) - len({choice.name, *verdicts_of(choice.name, comparison)}):
        which = "the other recipe" if others == 1 else f"the {others} other recipes"
        sentences.append(
            f"{choice.name} against {which}: compare them without a baseline, which needs no new training."
        )
    if _too_few_seeds(comparison) and not any(pair.chances for pair in nearest):
        sentences.append(f"{ENOUGH_SEEDS} or more seeds per recipe.")
    return tuple(sentences) or ("Nothing more is needed for this question.",)


def _not_compared(name: str, comparison: Comparison) -> str:
    """How the recipes that were compared with the baseline alone score beside this one; "" if none was."""
    compared = {name, *verdicts_of(name, comparison)}
    own = next(recipe.score for recipe in comparison.recipes if recipe.name == name)
    others = [recipe for recipe in comparison.recipes if recipe.name not in compared]
    if not others:
        return ""
    alone = f"compared with {comparison.baseline}, the baseline, alone"
    if len(others) >= MOST_SHOWN:
        return f"{len(others)} others were {alone}"
    scale = comparison.scale
    each = []
    for other in others:
        where = "lower" if other.score < own else "higher"
        each.append(f"{other.name} is {scale.difference(abs(other.score - own))} {where}")
    return f"{each[0]} and was {alone}" if len(others) == 1 else f"{listed(each)}; they were {alone}"


def _named(names: list[str]) -> str:
    return listed(names) if len(names) < MOST_SHOWN else f"{len(names)} others"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _standing(name: str, comparison: Comparison) -> str:
    """Such as "undecided", "better than 2, undecided against 1", or "baseline"."""
    if name == comparison.baseline:
        return "baseline"
    verdicts = list(verdicts_of(name, comparison).values())
    if len(verdicts) == 1:
        return verdicts[0]
    words: dict[VerdictName, str] = {
        "better": "better than",
        "worse": "worse than",
        "equivalent": "equivalent to",
        "undecided": "undecided against",
    }
    counts = {verdict: verdicts.count(verdict) for verdict in words}
    return ", ".join(f"{words[verdict]} {count}" for verdict, count in counts.items() if count)


def _covers(comparison: Comparison) -> str:
    counts = [recipe.num_seeds for recipe in comparison.recipes]
    percent = f"{100 * comparison.confidence:g} %"
    if comparison.num_groups is None:
        images = f"new test images like these {comparison.num_images:,}"
    else:
        images = f"new groups of test images like these {comparison.num_groups:,}"
    if max(counts) == 1:
        covered = f"{images}, not other seeds: each recipe has one"
    elif min(counts) == 1:
        ones = [recipe.name for recipe in comparison.recipes if recipe.num_seeds == 1]
        which = listed(ones) if len(ones) <= MOST_SHOWN else f"{len(ones)} recipes"
        covered = f"new seeds (not for {which}, with one seed) and {images}"
    else:
        covered = f"new seeds ({span(counts)} per recipe here) and {images}"
    return f"The {percent} intervals cover {covered}{_training_sets(comparison)}."


def _training_sets(comparison: Comparison) -> str:
    drawn = [recipe.name for recipe in comparison.recipes if recipe.overlap]
    if not drawn:
        return "; they do not cover other training images"
    if len(drawn) == len(comparison.recipes):
        return ", and training sets like this one"
    which = listed(drawn) if len(drawn) <= MOST_SHOWN else f"{len(drawn)} recipes"
    return f", and training sets like this one for {which} alone"


def _leading_recipes(comparison: Comparison) -> tuple[RecipeResult, ...]:
    """In the study's order if all are shown; else the best by score, with the baseline."""
    recipes = comparison.recipes
    if len(recipes) <= MOST_SHOWN:
        return recipes
    leading = best_first(recipes, comparison.scale)[:MOST_SHOWN]
    if comparison.baseline and all(recipe.name != comparison.baseline for recipe in leading):
        leading[-1] = next(recipe for recipe in recipes if recipe.name == comparison.baseline)
    return tuple(leading)


def _leading_pairs(comparison: Comparison, chosen: str) -> tuple[PairResult, ...]:
    """All, or those of the leading recipes with the baseline or, without one, with the chosen recipe."""
    pairs = comparison.pairs
    if len(pairs) <= MOST_SHOWN:
        return pairs
    hub = comparison.baseline or chosen
    of_hub = {pair.a if pair.b == hub else pair.b: pair for pair in pairs if hub in (pair.a, pair.b)}
    ranked = best_first(comparison.recipes, comparison.scale)
    return tuple([of_hub[recipe.name] for recipe in ranked if recipe.name in of_hub][:MOST_SHOWN])
