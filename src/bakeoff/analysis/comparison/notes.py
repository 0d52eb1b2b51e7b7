"""Sentences on what limits a comparison, the gravest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bakeoff.analysis.comparison.conclusion import EXPLORATORY_SEEDS
from bakeoff.analysis.comparison.result import RecipeResult
from bakeoff.analysis.statistics.what_it_takes import ENOUGH_SEEDS
from bakeoff.predictions import Predictions
from bakeoff.text import counted, interval_points, listed, points

FEW_GROUPS = 20
"""With fewer, intervals over groups are rough: the simulation in docs/statistics/groups.md begins here."""

MOST_RATES = 4
"""With more recipes, the rate of failures is given for those only that have any."""

MAJORITY = 0.5
"""A class with more than this share of the images makes accuracy misleading."""


def notes(predictions: Predictions, recipes: Sequence[RecipeResult]) -> tuple[str, ...]:
    """How predictions were read; outlying runs, constant answers, unbalanced classes, groups, few seeds."""
    return (
        *predictions.notes,
        *_on_outlying_runs(recipes),
        *_on_constant_answers(predictions),
        *_on_identical_runs(predictions),
        *_on_identical_recipes(predictions),
        *_on_groups(predictions),
        *_on_seeds(recipes),
    )


def _on_outlying_runs(recipes: Sequence[RecipeResult]) -> Iterator[str]:
    known = [(recipe, recipe.outlying) for recipe in recipes if recipe.outlying]
    for recipe, outlying in known:
        if outlying.seeds:
            odd = [run for run in recipe.runs if run.seed in outlying.seeds]
            others = [run.accuracy for run in recipe.runs if run not in odd]
            named = listed([f"seed {run.seed} {points(run.accuracy)} %" for run in odd])
            yield (
                f"Outlying runs of {recipe.name}: {named}, the others {points(min(others))} to "
                f"{points(max(others))} %. Its mean, interval and verdicts mix runs that failed with others: "
                "look at their loss curves first."
            )
    if any(outlying.seeds for _, outlying in known):
        known = [
            (recipe, outlying) for recipe, outlying in known if outlying.seeds or len(known) <= MOST_RATES
        ]
        rates = [
            f"{recipe.name} {len(outlying.seeds)} of {counted(recipe.num_seeds, 'run')} "
            f"({interval_points(outlying.interval)} %)"
            for recipe, outlying in known
        ]
        yield (
            f"How often runs fail: {', '.join(rates)}. Differences are given with these runs, which is what "
            "a new run may do, and without them, which is what it does if it does not fail."
        )


def _on_constant_answers(predictions: Predictions) -> Iterator[str]:
    counts = np.bincount(predictions.labels, minlength=len(predictions.class_names))
    largest = int(counts.argmax())
    share = counts[largest] / predictions.num_images
    if share > MAJORITY:
        yield (
            f"{predictions.class_names[largest]} holds {points(share)} % of the test images: always "
            "answering it has that accuracy. Compare the accuracies of the classes."
        )
    constant = {
        recipe.name: num_runs
        for recipe in predictions.recipes
        if (num_runs := sum(int(run.min() == run.max()) for run in recipe.predicted))
    }
    if constant:
        runs = listed([f"{counted(num_runs, 'run')} of {name}" for name, num_runs in constant.items()])
        verb = "answers" if sum(constant.values()) == 1 else "answer"
        yield f"{runs} {verb} the same class for every test image."


def _on_identical_runs(predictions: Predictions) -> Iterator[str]:
    for recipe in predictions.recipes:
        outputs = recipe.predicted if recipe.probabilities is None else recipe.probabilities
        if recipe.num_seeds > 1 and all(np.array_equal(outputs[0], run) for run in outputs[1:]):
            yield (
                f"The {recipe.num_seeds} runs of {recipe.name} gave the same predictions: its seed changes "
                "nothing, so that its runs count as one."
            )


def _on_identical_recipes(predictions: Predictions) -> Iterator[str]:
    first_with: dict[tuple[int, ...], str] = {}
    for recipe in predictions.recipes:
        runs = tuple(sorted(hash(run.tobytes()) for run in recipe.predicted))
        if (other := first_with.setdefault(runs, recipe.name)) != recipe.name:
            yield (
                f"{recipe.name} and {other} gave the same predictions: the same results may be there twice, "
                "or what differs between these recipes changes nothing."
            )


def _on_groups(predictions: Predictions) -> Iterator[str]:
    if predictions.num_groups is None:
        return
    if predictions.num_groups < FEW_GROUPS:
        yield (
            f"Only {counted(predictions.num_groups, 'group')} of test images: intervals and verdicts are "
            f"rough with fewer than {FEW_GROUPS}."
        )
    yield (
        f"The {counted(predictions.num_images, 'test image')} belong to "
        f"{counted(predictions.num_groups, 'group')}: the group, not the image, is the unit of every "
        "interval and verdict."
    )


def _on_seeds(recipes: Sequence[RecipeResult]) -> Iterator[str]:
    counts = {recipe.num_seeds for recipe in recipes}
    if len(counts) > 1:
        each = ", ".join(f"{recipe.name} {recipe.num_seeds}" for recipe in recipes)
        yield f"The recipes have unequal numbers of seeds: {each}."
    if 1 in counts:
        yield (
            "A recipe with one seed has only one trained model: its interval covers the uncertainty from the "
            "test images, not from the seed."
        )
    elif min(counts) <= EXPLORATORY_SEEDS:
        fewest = counted(min(counts), "seed")
        yield f"{fewest} per recipe are exploratory: use {ENOUGH_SEEDS} or more, 10 for a publication."
        if min(counts) == 2:
            yield (
                "With two seeds nothing can be said about how runs are distributed: intervals and verdicts "
                "rest on the assumption that their scores are normal."
            )
