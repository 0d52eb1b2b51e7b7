"""Accuracy against cost: what each recipe costs, and which recipes are dominated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakeoff.analysis.comparison.answer import verdicts_of
from bakeoff.analysis.comparison.result import Comparison, best_first
from bakeoff.analysis.summary.recipes import FinishedRecipe
from bakeoff.text import listed

if TYPE_CHECKING:
    from bakeoff.store import StoredCost

TIME_TOLERANCE = 0.1
"""Times that differ by less than this share count as equal: so much depends on what else the machine does.

For the same reason, a recipe takes longer to train only if its fastest run does than the other's slowest.
"""

MOST_NAMED = 4
"""Dominated recipes that the sentence names."""


@dataclass(frozen=True)
class RecipeCost:
    """What a recipe costs; None where it is not known.

    Attributes
    ----------
    parameters
        That are trained.
    multiply_accumulates, milliseconds_per_image
        Of a prediction; see `bakeoff.store.StoredCost`.
    training_seconds, training_range
        Mean over runs; the fastest and the slowest.
    prediction_device, training_devices
        What was timed, and what computed the runs: times on different devices are not compared.
    """

    parameters: int | None
    multiply_accumulates: int | None
    milliseconds_per_image: float | None
    training_seconds: float
    training_range: tuple[float, float]
    prediction_device: str
    training_devices: frozenset[str]


@dataclass(frozen=True)
class Dominated:
    """A recipe that another one makes superfluous.

    Attributes
    ----------
    by
        The other recipe: the one with the best score of several.
    verdict
        On `recipe` against `by`: worse or equivalent.
    costs
        What costs more, such as "1.3 times the time to train".
    """

    recipe: str
    by: str
    verdict: str
    costs: tuple[str, ...]


@dataclass(frozen=True)
class Costs:
    """The costs of all recipes.

    Attributes
    ----------
    by_recipe
        In the study's order.
    dominated
        Those for which the verdict against another recipe is worse or equivalent, and that cost more.
    conditions
        How predictions were timed; "" if they were not.
    """

    by_recipe: dict[str, RecipeCost]
    dominated: tuple[Dominated, ...]
    conditions: str

    @property
    def sentence(self) -> str:
        """Which recipes are dominated."""
        if not self.dominated:
            return (
                "No recipe is dominated: none that is shown to be worse than another, or equivalent to it, "
                "costs more."
            )
        named = [
            f"{each.recipe} by {each.by} ({each.verdict}, {listed(list(each.costs))})"
            for each in self.dominated[:MOST_NAMED]
        ]
        more = len(self.dominated) - len(named)
        rest = f"; {more} more in the table" if more else ""
        return f"Dominated, which means worse or equivalent and more costly: {'; '.join(named)}{rest}."

    def to_dict(self) -> dict[str, Any]:
        """Return `costs` of summary.json."""
        numbers = ("parameters", "multiply_accumulates", "milliseconds_per_image", "training_seconds")
        return {
            "recipes": [
                {"name": name} | {number: getattr(cost, number) for number in numbers}
                for name, cost in self.by_recipe.items()
            ],
            "conditions": self.conditions,
            "dominated": self.dominated,
            "sentence": self.sentence,
        }


def study_costs(
    recipes: Sequence[FinishedRecipe], stored: Mapping[str, StoredCost], comparison: Comparison
) -> Costs:
    """Put the costs of recipes beside the verdicts.

    Parameters
    ----------
    recipes
        Those with a finished run, in the study's order.
    stored
        What a prediction costs, of the recipes for which that was measured.
    comparison
        Of the study.
    """
    by_recipe, devices = {}, []
    for recipe in recipes:
        prediction, device = stored.get(recipe.name), ""
        if prediction:
            device = f"{prediction.batch_size} on one thread ({prediction.processor}, {prediction.device})"
            devices.append(device)
        by_recipe[recipe.name] = RecipeCost(
            parameters=recipe.results.num_parameters,
            multiply_accumulates=prediction.multiply_accumulates or None if prediction else None,
            milliseconds_per_image=prediction.milliseconds_per_image if prediction else None,
            training_seconds=recipe.results.mean_training_seconds,
            training_range=(min(recipe.results.training_seconds), max(recipe.results.training_seconds)),
            prediction_device=device,
            training_devices=frozenset(recipe.results.devices),
        )
    conditions = f"in batches of {'; or of '.join(dict.fromkeys(devices))}" if devices else ""
    return Costs(by_recipe, tuple(_dominated(by_recipe, comparison)), conditions)


def _dominated(costs: Mapping[str, RecipeCost], comparison: Comparison) -> list[Dominated]:
    ranked = [recipe.name for recipe in best_first(comparison.recipes, comparison.scale)]
    found = []
    for name in costs:
        verdicts = verdicts_of(name, comparison)
        for other in ranked:
            verdict = verdicts.get(other)
            if verdict in ("worse", "equivalent") and (more := _costs_more(costs[name], costs[other])):
                found.append(Dominated(name, other, verdict, more))
                break
    return found


def _costs_more(cost: RecipeCost, other: RecipeCost) -> tuple[str, ...]:
    """What costs more than of the other recipe; nothing if anything costs less."""
    compared: list[tuple[str, float | None, float | None, float]] = [
        ("parameters", cost.parameters, other.parameters, 0.0),
        ("multiply-accumulates", cost.multiply_accumulates, other.multiply_accumulates, 0.0),
    ]
    if cost.prediction_device == other.prediction_device:
        times = cost.milliseconds_per_image, other.milliseconds_per_image
        compared.append(("time per image", *times, TIME_TOLERANCE))
    (fastest, slowest), (other_fastest, other_slowest) = cost.training_range, other.training_range
    if cost.training_devices == other.training_devices and (
        slowest < other_fastest or other_slowest < fastest
    ):
        compared.append(("time to train", cost.training_seconds, other.training_seconds, TIME_TOLERANCE))
    more = []
    for name, own, others, tolerance in compared:
        if own and others:
            if own * (1 + tolerance) < others:
                return ()
            if own > others * (1 + tolerance):
                more.append(f"{_more(own / others)} {name}")
    return tuple(more)


def _more(ratio: float) -> str:
    if ratio >= 2:
        return f"{ratio:.1f} times the"
    share = 100 * (ratio - 1)
    return f"{share:.0f} % more" if share >= 1 else f"{share:.1g} % more"
