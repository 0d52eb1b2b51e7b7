"""How the recipes of a study were tuned: trials, chosen settings, expected best scores, budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bakeoff.analysis.scores.by_name import score_named
from bakeoff.analysis.scores.scale import Scale
from bakeoff.analysis.statistics.expected_best import ExpectedBest, expected_best
from bakeoff.study.search import as_text
from bakeoff.text import counted, listed

if TYPE_CHECKING:
    from bakeoff.analysis.scores.by_name import Score
    from bakeoff.store import StoredTrial
    from bakeoff.study import Study
    from bakeoff.study.settings.tune import Space

EDGE = 0.1
"""A chosen value in this outer share of a range, at either end, is at its edge."""

_MOST_NAMES = 4


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes
    ----------
    number
        Counted from 0.
    values
        The searched settings, by dotted path.
    score
        Of the validation images; None if the trial failed.
    seconds
        Wall time of all epochs.
    reason
        Why it failed.
    """

    number: int
    values: dict[str, Any]
    score: float | None
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Edge:
    """A chosen value at an end of its space that can be moved outwards."""

    setting: str
    value: Any
    end: Literal["lower", "upper"]


@dataclass(frozen=True)
class TunedRecipe:
    """The tuning of one recipe.

    Attributes
    ----------
    num_trials
        Requested; fewer in `trials` if some have not ended.
    chosen
        The trial with the best score, the first of equal ones; None if none succeeded.
    expected
        The expected best score of n trials, in the unit of the metric; failed trials count as the worst of
        the others. None if none succeeded.
    """

    name: str
    spaces: dict[str, Space]
    num_trials: int
    trials: tuple[Trial, ...]
    chosen: Trial | None
    edges: tuple[Edge, ...]
    expected: ExpectedBest | None

    @property
    def failed(self) -> tuple[Trial, ...]:
        """The trials without a score."""
        return tuple(trial for trial in self.trials if trial.score is None)

    def edge_of(self, setting: str) -> Edge | None:
        """The end of its space at which the chosen value of a setting is, if any."""
        return next((edge for edge in self.edges if edge.setting == setting), None)


@dataclass(frozen=True)
class Lead:
    """From this number of trials on, this recipe has the best expected score."""

    from_trials: int
    recipe: str


@dataclass(frozen=True)
class Tuning:
    """The tuning of a study.

    Attributes
    ----------
    metric, scale
        The score of the validation images that chooses among trials.
    recipes
        Those with a search space, in the study's order.
    untuned
        The names of the others.
    leads
        Which recipe has the best expected score, by the number of trials; empty with one tuned recipe.
    budgets
        Which recipes are tuned with how many trials, as a clause, from `describe_budgets`.
    budgets_differ
        Whether not all recipes are tuned with the same number of trials.
    """

    metric: str
    scale: Scale
    recipes: tuple[TunedRecipe, ...]
    untuned: tuple[str, ...]
    leads: tuple[Lead, ...]
    budgets: str
    budgets_differ: bool

    @property
    def leads_text(self) -> str:
        """Which recipe leads with how many trials; "" with one tuned recipe."""
        return describe_leads(self)

    def recipe(self, name: str) -> TunedRecipe:
        return next(recipe for recipe in self.recipes if recipe.name == name)

    def to_dict(self) -> dict[str, Any]:
        """The key `tuning` of summary.json."""
        return {
            "metric": self.metric,
            "recipes": [
                {
                    **vars(recipe),
                    "spaces": {key: space.model_dump() for key, space in recipe.spaces.items()},
                    "chosen": recipe.chosen.number if recipe.chosen else None,
                }
                for recipe in self.recipes
            ],
            "untuned": self.untuned,
            "leads": self.leads,
            "budgets": self.budgets,
            "budgets_differ": self.budgets_differ,
        }


def study_tuning(study: Study, trials: Sequence[StoredTrial]) -> Tuning | None:
    """Score the trials of a study, and choose a setting for each recipe that is tuned.

    Returns
    -------
    Tuning or None
        None if no recipe is tuned.

    Raises
    ------
    BakeoffError
        If the metric cannot be computed for the validation images.
    """
    if not study.num_trials:
        return None
    score = score_named(study.tune_metric)
    recipes = tuple(_tuned(study, name, trials, score) for name in study.num_trials)
    untuned = tuple(name for name in study.recipes if name not in study.num_trials)
    return Tuning(
        metric=study.tune_metric,
        scale=score.scale,
        recipes=recipes,
        untuned=untuned,
        leads=_leads(recipes, score.scale),
        budgets=describe_budgets(study),
        budgets_differ=bool(untuned) or len(set(study.num_trials.values())) > 1,
    )


def _tuned(study: Study, name: str, stored: Sequence[StoredTrial], score: Score) -> TunedRecipe:
    trials = tuple(
        Trial(
            trial.number,
            study.trial_values(name, trial.number),
            None if trial.reason else _score_of(trial, score),
            trial.seconds,
            trial.reason,
        )
        for trial in stored
        if trial.recipe == name
    )
    sign = score.scale.sign
    scores = {trial.number: sign * trial.score for trial in trials if trial.score is not None}
    spaces = study.recipes[name].search or {}
    num_trials = study.num_trials[name]
    if not scores:
        return TunedRecipe(name, spaces, num_trials, trials, None, (), None)
    best = max(scores, key=lambda number: (scores[number], -number))
    chosen = next(trial for trial in trials if trial.number == best)
    expected = expected_best(np.array([scores.get(trial.number, min(scores.values())) for trial in trials]))
    if sign < 0:
        expected = ExpectedBest(-expected.mean, -expected.high, -expected.low, expected.level)
    return TunedRecipe(name, spaces, num_trials, trials, chosen, _edges(study, name, chosen), expected)


def _score_of(trial: StoredTrial, score: Score) -> float:
    from scipy.special import softmax

    from bakeoff.errors import BakeoffError

    logits = trial.val_logits.astype(np.float64)
    predicted = softmax(logits, axis=1).astype(np.float32) if score.needs_probabilities else logits.argmax(1)
    try:
        return float(score.of_run(trial.val_labels, predicted).value)
    except ValueError as error:
        raise BakeoffError(f"tune.metric {score.name} of the validation images: {error}") from error


def _edges(study: Study, name: str, chosen: Trial) -> tuple[Edge, ...]:
    edges = []
    for key, space in (study.recipes[name].search or {}).items():
        end, further = _end_of(space, chosen.values[key])
        if end and _is_possible(study, name, chosen.values | {key: further}):
            edges.append(Edge(key, chosen.values[key], end))
    return tuple(edges)


def _end_of(space: Space, value: Any) -> tuple[Literal["lower", "upper"] | None, Any]:
    """The end of its space at which a value is, and a value beyond that end."""
    limits: tuple[Any, ...] = space.limits
    if any(isinstance(limit, bool) or not isinstance(limit, int | float) for limit in limits):
        return None, None
    low, high = min(limits), max(limits)
    if space.choices is not None:
        if len(limits) < 3:  # each is at an end
            return None, None
        share = 0.0 if value == low else 1.0 if value == high else 0.5
    elif space.log:
        share = math.log(value / low) / math.log(high / low)
    else:
        share = (value - low) / (high - low)
    whole = all(isinstance(limit, int) for limit in limits)
    if share <= EDGE:
        beyond = low / 2 if low > 0 else low - (high - low)
        return "lower", math.floor(beyond) if whole else beyond
    if share >= 1 - EDGE:
        beyond = high + (high - low)
        return "upper", beyond
    return None, None


def _is_possible(study: Study, name: str, values: Mapping[str, Any]) -> bool:
    try:
        study.with_values({name: values})
    except ValueError:
        return False
    return True


def _leads(recipes: Sequence[TunedRecipe], scale: Scale) -> tuple[Lead, ...]:
    curves = {recipe.name: recipe.expected.mean for recipe in recipes if recipe.expected}
    if len(curves) < 2:
        return ()
    leaders = [
        max(curves, key=lambda name: scale.sign * curves[name][n])  # the first of equals
        for n in range(min(map(len, curves.values())))
    ]
    starts = [0, *(n for n in range(1, len(leaders)) if leaders[n] != leaders[n - 1])]
    return tuple(Lead(n + 1, leaders[n]) for n in starts)


def describe_choices(tuning: Tuning) -> list[str]:
    """One sentence for each tuned recipe: what was chosen, and where that is at the edge of its space."""
    return [_describe_choice(recipe, tuning.scale) for recipe in tuning.recipes]


def _describe_choice(recipe: TunedRecipe, scale: Scale) -> str:
    number = counted(recipe.num_trials, "trial")
    failed = f" ({len(recipe.failed)} failed)" if recipe.failed else ""
    if recipe.chosen is None or recipe.chosen.score is None:
        return f"{recipe.name}: none of {number} succeeded."
    text = (
        f"{recipe.name}: of {number}{failed}, trial {recipe.chosen.number} has the best validation "
        f"{scale.name}, {scale.value(recipe.chosen.score)}: {as_text(recipe.chosen.values)}."
    )
    for edge in recipe.edges:
        text += f" {edge.setting} is at the {edge.end} end of its space: widen it."
    return text


def describe_leads(tuning: Tuning) -> str:
    """State from which number of trials on which recipe leads; "" with one tuned recipe."""
    if not tuning.leads:
        return ""
    first, *others = tuning.leads
    by = f"By the expected best {tuning.scale.name} of the validation images"
    if not others:
        return f"{by}, {first.recipe} leads with any number of trials up to those made."
    parts = [f"{first.recipe} leads with {_up_to(others[0].from_trials - 1)}"]
    parts += [f"{lead.recipe} from {lead.from_trials} trials on" for lead in others]
    return f"{by}, {listed(parts)}: the curves cross, so which recipe leads depends on the budget."


def _up_to(number: int) -> str:
    return "1 trial" if number == 1 else f"up to {number} trials"


def describe_budgets(study: Study) -> str:
    """State which recipes are tuned with how many trials, and which are not; "" if none is tuned."""
    trials = study.num_trials
    untuned = [name for name in study.recipes if name not in trials]
    if not trials:
        return ""
    by_number = groupby(sorted(trials, key=lambda name: trials[name]), key=lambda name: trials[name])
    parts = []
    for number, names in by_number:
        group = list(names)
        each = " each" if len(group) > 1 else ""
        parts.append(f"{_some(group)} {_is(group)} tuned with {counted(number, 'trial')}{each}")
    if untuned:
        parts.append(f"{_some(untuned)} {_is(untuned)} untuned")
    return (
        parts[0]
        if len(parts) == 1
        else f"the budgets of tuning differ: {', '.join(parts[:-1])}, and {parts[-1]}"
    )


def _some(names: list[str]) -> str:
    return listed(names) if len(names) <= _MOST_NAMES else f"{len(names)} recipes"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
