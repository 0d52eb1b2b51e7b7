"""Recipes to stack, and what comes of them."""

from bakeoff.study import load_study
from bakeoff.training import TrainedRun

SEEDS = (3, 0, 7)


def recipe(*overrides, epochs=2, name="lenet5"):
    return load_study(
        "quickstart", epochs=epochs, overrides=[f"recipes.{name}.{o}" for o in overrides]
    ).recipes[name]


def runs_of(told):
    return {seed: what for seed, what in told if isinstance(what, TrainedRun)}


def largest_difference(first, second):
    return max(
        float((first[name].double() - second[name].double()).abs().max()) for name in (*first, *second)
    )
