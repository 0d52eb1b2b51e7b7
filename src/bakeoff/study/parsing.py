"""From TOML text to tables, with limits on what a study file may ask for."""

from __future__ import annotations

import tomllib
from typing import Any

from bakeoff.errors import BakeoffError

Table = dict[str, Any]

MAX_BYTES = 1_000_000
"""A study of 1,000 recipes with every default written out has half of this."""

MAX_DEPTH = 32
"""Tables and lists inside each other; a study file has 4."""

MAX_DOTS = 200
"""In one line: the time that tomllib takes grows with the square of the parts of a dotted key."""

MAX_RECIPES = 1_000

MAX_RUNS = 100_000


def parse_toml(text: str, origin: str) -> Table:
    """The tables of a TOML text; `origin` names it in messages.

    Raises
    ------
    BakeoffError
        If it is not TOML, or larger or deeper than any study.
    """
    if len(text) > MAX_BYTES:
        raise BakeoffError(f"{origin}: {too_long(len(text))}")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > MAX_DOTS:
            raise BakeoffError(
                f"{origin}: line {number} has {line.count('.'):,} dots; expected {MAX_DOTS} at most"
            )
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BakeoffError(f"{origin}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise BakeoffError(f"{origin}: {_TOO_DEEP}") from error
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise BakeoffError(f"{origin}: a number has too many digits") from error
    refuse_deep(tables, origin)
    return tables


def too_long(length: int) -> str:
    """Say that a file is longer than a study file may be."""
    return f"{length:,} characters are too many for a study file; the limit is {MAX_BYTES:,}"


def refuse_deep(tables: Table, origin: str) -> None:
    """Raise a BakeoffError if tables and lists lie too deep inside each other."""
    level: list[Any] = [tables]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise BakeoffError(f"{origin}: {_TOO_DEEP}")


def refuse_many_recipes(tables: Table, origin: str) -> None:
    """Raise a BakeoffError before time goes into checking each recipe of an absurd number."""
    recipes = tables.get("recipes")
    if isinstance(recipes, dict) and len(recipes) > MAX_RECIPES:
        raise BakeoffError(f"{origin}: {len(recipes):,} recipes; expected {MAX_RECIPES:,} at most")


_TOO_DEEP = f"tables or lists lie more than {MAX_DEPTH} deep inside each other; a study file has 4 levels"
