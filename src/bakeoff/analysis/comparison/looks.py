"""take_looks(): what a study that adds seeds until decided has found, look by look, and what is next."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.comparison.pairs import JudgedPair, Outcomes, judge_pairs
from bakeoff.analysis.statistics.crossed import CrossedInterval
from bakeoff.analysis.statistics.what_it_takes import image_half_width
from bakeoff.predictions import Predictions
from bakeoff.text import counted, listed

NO_HELP = 0.05
"""A pair whose chance to be decided by seeds without end is below this gets no more."""

Stopped = Literal["decided", "images", "max_seeds"]


@dataclass(frozen=True)
class Look:
    """One look at the pairs.

    Attributes
    ----------
    seeds
        Runs asked for so far, by recipe.
    decided
        Pairs that are better, worse or equivalent.
    open
        Undecided pairs (a, b) that more seeds may decide.
    limited
        Undecided pairs (a, b) that they cannot: the test images are the limit.
    """

    seeds: dict[str, int]
    decided: int
    open: tuple[tuple[str, str], ...]
    limited: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Looks:
    """The looks of a study.

    Attributes
    ----------
    planned
        Seeds a recipe at each look that may be needed.
    level
        Confidence at which each look's intervals are made, so that the study's holds over all looks, 0..1.
    taken
        The looks there were.
    stopped
        Why it stopped: every pair is decided; the test images are the limit of those that are not; the last
        look was taken. None while runs are missing.
    wanted
        Runs by recipe that the next look needs, or that the last one had.
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
) -> Looks:
    """Take the looks of a plan one after another, as far as the runs there are reach.

    A look at S seeds sees the runs of seeds 0 to S - 1. Recipes of pairs that are neither decided nor limited
    by the images get the seeds of the next look; the others stay at what they have, and their pairs are
    judged again with what the other recipe gained. The same runs always give the same looks, so nothing about
    them is kept.

    Parameters
    ----------
    predictions
        Of all finished runs.
    recipes
        All of the study.
    plan
        When to look.
    baseline
        Compare each other recipe with this one; None compares all pairs.
    margin
        The smallest difference that matters, as a share.
    failed
        Seeds without a result, by recipe: a look does not wait for them.
    """
    there = {recipe.name: set(recipe.seeds) for recipe in predictions.recipes}
    correct = {name: predictions.correct(name) for name in there}
    seeds: dict[str, int] = {}
    active = list(recipes)
    taken: list[Look] = []
    for count in plan.seeds:
        seeds = {name: count if name in active else seeds[name] for name in recipes}
        done = {name: there.get(name, set()) | set((failed or {}).get(name, ())) for name in active}
        if not all(done[name].issuperset(range(count)) for name in active):
            return Looks(plan.seeds, plan.level, tuple(taken), None, seeds)
        seen = {
            recipe.name: Outcomes(rows)
            for recipe in predictions.recipes
            if len(rows := _first(correct[recipe.name], recipe.seeds, seeds[recipe.name]))
        }
        pairs = judge_pairs(seen, baseline=baseline if baseline in seen else None, margin=margin, looks=plan)
        taken.append(_look(seeds, pairs, margin, plan.level))
        active = [name for name in recipes if any(name in pair for pair in taken[-1].open)]
        if not active:
            break
    stopped: Stopped = "max_seeds" if taken[-1].open else "images" if taken[-1].limited else "decided"
    return Looks(plan.seeds, plan.level, tuple(taken), stopped, seeds)


def _first(correct: NDArray[np.bool_], seeds: tuple[int, ...], count: int) -> NDArray[np.bool_]:
    """The rows of the seeds below `count`."""
    return correct[[seed < count for seed in seeds]]


def _look(seeds: dict[str, int], pairs: tuple[JudgedPair, ...], margin: float, level: float) -> Look:
    undecided = [pair for pair in pairs if not pair.decided]
    limited = [
        pair
        for pair in undecided
        if chance_of_decision(pair.difference, margin=margin, confidence=level) < NO_HELP
    ]
    return Look(
        seeds=seeds,
        decided=len(pairs) - len(undecided),
        open=tuple((pair.a, pair.b) for pair in undecided if pair not in limited),
        limited=tuple((pair.a, pair.b) for pair in limited),
    )


def say_looks(looks: Looks, *, confidence: float, num_images: int) -> str:
    """Say how many looks there were, at what levels, and why no more seeds were added."""
    said = [f"Seeds were added until decided: {counted(len(looks.taken), 'look')}"]
    if looks.taken:
        each = [str(max(look.seeds.values())) for look in looks.taken]
        said[0] += f", at {listed(each)} seeds a recipe"
    said[0] += f", of the {len(looks.planned)} planned ({listed([str(count) for count in looks.planned])})."
    if len(looks.planned) > 1:
        said.append(
            f"Each look's intervals are made at {100 * looks.level:.2f} %, so that {100 * confidence:g} % "
            "holds over all planned looks."
        )
    said.append(_why_stopped(looks, num_images))
    return " ".join(said)


def _why_stopped(looks: Looks, num_images: int) -> str:
    if looks.stopped is None:
        return "It is not at its end: `bakeoff run` with the same words goes on."
    last = looks.taken[-1]
    pairs = last.decided + len(last.limited) + len(last.open)
    if looks.stopped == "decided":
        return "It stopped with every pair decided." if pairs else "There is no pair to decide."
    limit = ""
    if last.limited:
        limit = (
            f"; more seeds could hardly decide {_named(last.limited)}: "
            f"the {num_images:,} test images are the limit"
        )
    if looks.stopped == "images":
        return f"It stopped with {last.decided} of {counted(pairs, 'pair')} decided{limit}."
    return (
        f"It stopped at the maximum of {looks.planned[-1]} seeds, with {_named(last.open)} undecided{limit}."
    )


def _named(pairs: tuple[tuple[str, str], ...]) -> str:
    if len(pairs) > 3:
        return counted(len(pairs), "pair")
    return listed([f"{b} against {a}" for a, b in pairs])


def say_next(looks: Looks) -> str:
    """Say between two rounds what the last look decided, and who gets more seeds."""
    last = looks.taken[-1]
    pairs = last.decided + len(last.limited) + len(last.open)
    said = f"look {len(looks.taken)}: {last.decided} of {counted(pairs, 'pair')} decided"
    if last.limited:
        said += f", {len(last.limited)} beyond what more seeds can decide"
    if looks.stopped:
        return said
    names = [name for name, count in looks.wanted.items() if count > last.seeds[name]]
    return f"{said}; up to {max(looks.wanted.values())} seeds for {listed(names)}"


def chance_of_decision(difference: CrossedInterval, *, margin: float, confidence: float) -> float:
    """Predict the chance that an undecided pair would be decided if it had seeds without end.

    With h the half-width that the images alone leave (`image_half_width`), the pair would be better or worse
    where the difference d' over all those seeds is beyond h, and equivalent where it is inside margin - h.
    d' is predicted from the difference d so far: d' = d + sqrt(V - s_img / N) t, t with the degrees of
    freedom of V, since the images stay and only the luck of the seeds so far goes. An estimate, from few
    seeds a rough one.

    Parameters
    ----------
    difference
        As it is, with its variance.
    margin
        The smallest difference that matters, the score's unit.
    confidence
        Of the intervals, 0..1.

    Returns
    -------
    float
        0..1; 1 where a recipe has one seed, so that nothing is known about seeds.

    References
    ----------
    Predictive power: Spiegelhalter, D. J., Freedman, L. S. and Blackburn, P. R. (1986). Monitoring clinical
    trials: conditional or predictive power? Controlled Clinical Trials 7(1), 8-17.
    """
    parts = difference.parts
    if not parts.seeds_known:
        return 1.0
    limit = image_half_width(parts, confidence)
    spread = math.sqrt(max(parts.variance - parts.image_component / parts.num_images, 0.0))

    def below(value: float) -> float:
        if spread == 0:
            return float(difference.value < value)
        return float(stdtr(parts.degrees_of_freedom, (value - difference.value) / spread))

    beyond = below(-limit) + 1 - below(limit)
    inside = below(margin - limit) - below(limit - margin) if limit < margin else 0.0
    return min(beyond + inside, 1.0)
