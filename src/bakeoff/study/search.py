"""The trials of a search: settings and seeds as pure functions of recipe name, trial number and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from bakeoff.study.recipe import Recipe, with_values

FIRST_TRIAL_SEED = 2**30
"""Seeds of trials are from this number to twice it; those of final runs are far below."""


def trial_values(recipe: Recipe, name: str, number: int, tune_seed: int) -> dict[str, Any]:
    """The values of the searched settings in a trial, by their dotted path.

    Each follows from the arguments and its own path: neither further trials nor further settings change it.
    """
    return {
        key: space.value_at(_share(f"{tune_seed}/{name}/{number}/{key}"))
        for key, space in (recipe.search or {}).items()
    }


def trial_recipe(recipe: Recipe, name: str, number: int, tune_seed: int) -> Recipe:
    """The recipe of a trial: complete, without a search."""
    return with_values(recipe, trial_values(recipe, name, number, tune_seed)).without_search


def trial_seed(name: str, number: int, tune_seed: int) -> int:
    """The seed of a trial's random numbers, which no final run can have."""
    return FIRST_TRIAL_SEED + _number(f"{tune_seed}/{name}/{number}") % FIRST_TRIAL_SEED


def as_text(values: Mapping[str, Any]) -> str:
    """Settings in one line: "optimizer.lr = 0.01, optimizer.momentum = 0.9"."""
    return ", ".join(f"{key} = {_written(value)}" for key, value in values.items())


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _share(text: str) -> float:
    return (_number(text) >> 11) / 2**53


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
