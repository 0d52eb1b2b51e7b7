"""take_looks(): the interim looks of a study that adds seeds until decided, and which seeds it needs next."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.comparison.pairs import JudgedPair, RecipeScores, judge_pairs, score_recipes
from bakeoff.analysis.scores.by_name import SCORES, Score
from bakeoff.analysis.statistics.crossed import CrossedInterval
from bakeoff.analysis.statistics.what_it_takes import image_half_width
from bakeoff.predictions import Predictions
from bakeoff.text import counted, listed

MIN_CHANCE = 0.05
"""A pair gets no more seeds if the probability that any number of seeds decides it is below this."""

Stopped = Literal["decided", "images", "max_seeds"]


@dataclass(frozen=True)
class Look:
    """One interim look at the pairs.

    Attributes
    ----------
    seeds
        The number of runs requested so far, by recipe.
    decided
        The number of pairs that are better, worse or equivalent.
    open
        Undecided pairs (a, b) that more seeds may decide.
    limited
        Undecided pairs (a, b) that more seeds are unlikely to decide: the test images are the limit.
    """

    seeds: dict[str, int]
    decided: int
    open: tuple[tuple[str, str], ...]
    limited: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Looks:
    """The interim looks of a study.

    Attributes
    ----------
    planned
        Seeds per recipe at each planned look.
    level
        Confidence level of the intervals of each look, so that the study's confidence holds over all looks,
        0..1.
    taken
        The looks so far.
    stopped
        Why the study stopped: every pair is decided; the test images are the limit for those that are not; it
        was the last look. None while runs are missing.
    wanted
        The number of runs by recipe that the next look needs, or that the last one had.
    """

    planned: tuple[int, ...]
    level: float
    taken: tuple[Look, ...]
    stopped: Stopped | None
    wanted: dict[str, int]


def take_looks(
    predictions: Predictions,
    recipes: Sequence[str],
    plan: LookPlan,
    *,
    baseline: str | None,
    margin: float,
    failed: Mapping[str, Collection[int]] | None = None,
    score: Score = SCORES["accuracy"],
) -> Looks:
    """Take the looks of a plan one after another, as far as the available runs allow.

    A look at S seeds uses the runs of seeds 0 to S - 1. Recipes of pairs that are neither decided nor limited
    by the images get the seeds of the next look; the others keep what they have, and their pairs are judged
    again with the new runs of the other recipe. The same runs always give the same looks, so looks are not
    stored.

    Parameters
    ----------
    predictions
        Of all finished runs.
    recipes
        All of the study.
    plan
        When to look.
    baseline
        Compare every other recipe with this one; None compares all pairs.
    margin
        The smallest difference that matters, in the unit of the score: 0.01 of a share is one point.
    failed
        Seeds without a result, by recipe: a look does not wait for them.
    score
        What decides the verdicts.
    """
    available = {recipe.name: set(recipe.seeds) for recipe in predictions.recipes}
    score, scored = score_recipes(predictions, score)
    seeds: dict[str, int] = {}
    active = list(recipes)
    taken: list[Look] = []
    for count in plan.seeds:
        seeds = {name: count if name in active else seeds[name] for name in recipes}
        done = {name: available.get(name, set()) | set((failed or {}).get(name, ())) for name in active}
        if not all(done[name].issuperset(range(count)) for name in active):
            return Looks(plan.seeds, plan.level, tuple(taken), None, seeds)
        samples = {
            recipe.name: RecipeScores(rows, scored[recipe.name].groups, recipe.overlap)
            for recipe in predictions.recipes
            if len(rows := _first(scored[recipe.name].scores, recipe.seeds, seeds[recipe.name]))
        }
        pairs = judge_pairs(
            samples,
            baseline=baseline if baseline in samples else None,
            margin=margin,
            looks=plan,
            score=score,
        )
        taken.append(_look(seeds, pairs, margin, plan.level))
        active = [name for name in recipes if any(name in pair for pair in taken[-1].open)]
        if not active:
            break
    stopped: Stopped = "max_seeds" if taken[-1].open else "images" if taken[-1].limited else "decided"
    return Looks(plan.seeds, plan.level, tuple(taken), stopped, seeds)


def _first(
    scores: NDArray[np.bool_] | NDArray[np.float64], seeds: tuple[int, ...], count: int
) -> NDArray[np.bool_] | NDArray[np.float64]:
    """The rows of the seeds below `count`."""
    return scores[[seed < count for seed in seeds]]


def _look(seeds: dict[str, int], pairs: tuple[JudgedPair, ...], margin: float, level: float) -> Look:
    undecided = [pair for pair in pairs if not pair.decided]
    limited = [
        pair
        for pair in undecided
        if chance_of_decision(pair.difference, margin=margin, confidence=level) < MIN_CHANCE
    ]
    return Look(
        seeds=seeds,
        decided=len(pairs) - len(undecided),
        open=tuple((pair.a, pair.b) for pair in undecided if pair not in limited),
        limited=tuple((pair.a, pair.b) for pair in limited),
    )


def describe_looks(looks: Looks, *, confidence: float, num_images: int, num_groups: int | None = None) -> str:
    """Describe how many interim looks there were, at which level, and why no more seeds were added.

    Where images belong to groups, `num_groups` is the limit instead of `num_images`.
    """
    sentences = [
        "Seeds were added until decided, with a comparison (interim look) after each round: "
        f"{counted(len(looks.taken), 'interim look')}"
    ]
    if looks.taken:
        each = [str(max(look.seeds.values())) for look in looks.taken]
        sentences[0] += f", at {listed(each)} seeds per recipe"
    planned = listed([str(count) for count in looks.planned])
    sentences[0] += f", of {len(looks.planned)} planned (at {planned})."
    if len(looks.planned) > 1:
        sentences.append(
            f"The intervals of each look have a confidence of {100 * looks.level:.2f} %, so that "
            f"{100 * confidence:g} % holds over all planned looks."
        )
    units = f"test images ({num_images:,})" if num_groups is None else f"groups ({num_groups:,})"
    sentences.append(_why_stopped(looks, units))
    return " ".join(sentences)


def _why_stopped(looks: Looks, units: str) -> str:
    if looks.stopped is None:
        return "The study is not finished: run the same command again to continue."
    last = looks.taken[-1]
    pairs = last.decided + len(last.limited) + len(last.open)
    if looks.stopped == "decided":
        return "The study stopped with every pair decided." if pairs else "There is no pair to decide."
    limit = ""
    if last.limited:
        limit = (
            f"; more seeds are unlikely to decide {_named(last.limited)}, because the number of "
            f"{units} is the limit"
        )
    if looks.stopped == "images":
        return f"The study stopped with {last.decided} of {counted(pairs, 'pair')} decided{limit}."
    return (
        f"The study stopped at the maximum of {looks.planned[-1]} seeds, with {_named(last.open)} "
        f"undecided{limit}."
    )


def _named(pairs: tuple[tuple[str, str], ...]) -> str:
    if len(pairs) > 3:
        return counted(len(pairs), "pair")
    return listed([f"{b} against {a}" for a, b in pairs])


def describe_last_look(looks: Looks) -> str:
    """Describe between two rounds what the last look decided, and which recipes get more seeds."""
    last = looks.taken[-1]
    pairs = last.decided + len(last.limited) + len(last.open)
    text = f"interim look {len(looks.taken)}: {last.decided} of {counted(pairs, 'pair')} decided"
    if last.limited:
        text += f", {len(last.limited)} limited by the number of test images"
    if looks.stopped:
        return text
    names = [name for name, count in looks.wanted.items() if count > last.seeds[name]]
    return f"{text}; next, {max(looks.wanted.values())} seeds for {listed(names)}"


def chance_of_decision(difference: CrossedInterval, *, margin: float, confidence: float) -> float:
    """Estimate the probability that an undecided pair would be decided with infinitely many seeds.

    With h the half-width that the images alone leave (`image_half_width`), the pair would be better or worse
    if the difference d' over all these seeds is beyond h, and equivalent if it is within margin - h. d' is
    predicted from the current difference d: d' = d + sqrt(V - s_img / N) t, t with the degrees of freedom of
    V, because the images stay the same and only the chance in the current seeds disappears. With few seeds
    this is a rough estimate.

    Parameters
    ----------
    difference
        The current difference, with its variance.
    margin
        The smallest difference that matters, in the unit of the score.
    confidence
        Of the intervals, 0..1.

    Returns
    -------
    float
        0..1; 1 if a recipe has one seed, because the variation between seeds is then unknown.

    References
    ----------
    Predictive power: Spiegelhalter, D. J., Freedman, L. S. and Blackburn, P. R. (1986). Monitoring clinical
    trials: conditional or predictive power? Controlled Clinical Trials 7(1), 8-17.
    """
    parts = difference.parts
    if not parts.seeds_known:
        return 1.0
    limit = image_half_width(parts, confidence)
    spread = math.sqrt(max(parts.variance - parts.image_component / parts.num_images - sum(parts.pool), 0.0))

    def below(value: float) -> float:
        if spread == 0:
            return float(difference.value < value)
        return float(stdtr(parts.degrees_of_freedom, (value - difference.value) / spread))

    beyond = below(-limit) + 1 - below(limit)
    inside = below(margin - limit) - below(limit - margin) if limit < margin else 0.0
    return min(beyond + inside, 1.0)
