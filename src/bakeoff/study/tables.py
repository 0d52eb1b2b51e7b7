"""From TOML text to one complete table per recipe: limits, overrides, [defaults], shorthand names."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable
from typing import Any

from bakeoff.errors import BakeoffError
from bakeoff.study.settings.tables import DEFAULT_NAMES, NAMED_TABLES, OF_TRAINER, PLAIN_TABLES
from bakeoff.text import shorten

Table = dict[str, Any]

MAX_BYTES = 1_000_000
"""A study of 1,000 recipes with every default written out has half as many."""

MAX_DEPTH = 32
"""Levels of nested tables and lists; a study file has 4."""

MAX_DOTS = 200
"""Per line: the time of tomllib is quadratic in the number of parts of a dotted key."""

MAX_RECIPES = 1_000

MAX_RUNS = 100_000


def parse_toml(text: str, origin: str) -> Table:
    """The tables of a TOML text; `origin` names it in messages.

    Raises
    ------
    BakeoffError
        If it is not TOML, or is larger or deeper than any study.
    """
    if len(text) > MAX_BYTES:
        raise BakeoffError(f"{origin}: {too_long(len(text))}")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > MAX_DOTS:
            raise BakeoffError(
                f"{origin}: line {number} has {line.count('.'):,} dots; expected at most {MAX_DOTS}"
            )
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BakeoffError(f"{origin}: not valid TOML: {error}{_hint(text, error)}") from error
    except RecursionError as error:
        raise BakeoffError(f"{origin}: {_TOO_DEEP}") from error
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise BakeoffError(f"{origin}: a number has too many digits") from error
    refuse_deep(tables, origin)
    return tables


def _hint(text: str, error: tomllib.TOMLDecodeError) -> str:
    """How a part is written that has a name and settings, where a line sets one beside `model = "resnet"`."""
    place = re.search(r"at line (\d+)", str(error))
    before = text.rstrip().split("\n")[: int(place[1]) if place else None]
    setting = re.match(rf"[\s[]*(?:[^.#=]+\.)*({'|'.join(NAMED_TABLES)})(?:\.([^#]+)|])", before.pop())
    if not setting:
        return ""
    key, value = setting.groups("KEY = VALUE")
    names = re.findall(rf"^\s*{key}\s*=\s*(\"[^\"]*\"|'[^']*')", "\n".join(before), re.MULTILINE)
    return f"; write {key} = {{ name = {names[-1]}, {value.strip()} }}" if names else ""


def too_long(length: int) -> str:
    """The message that a file is too long for a study file."""
    return f"{length:,} characters are too many for a study file; the limit is {MAX_BYTES:,}"


def refuse_deep(tables: Table, origin: str) -> None:
    """Raise a BakeoffError if tables and lists are nested too deeply."""
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
    """Raise a BakeoffError if there are too many recipes, before time is spent on checking each."""
    recipes = tables.get("recipes")
    if isinstance(recipes, dict) and len(recipes) > MAX_RECIPES:
        raise BakeoffError(f"{origin}: {len(recipes):,} recipes; expected at most {MAX_RECIPES:,}")


_TOO_DEEP = f"tables or lists are nested more than {MAX_DEPTH} deep; a study file has 4 levels"


def apply_overrides(tables: Table, overrides: Iterable[str]) -> Table:
    """Tables with each `KEY=VALUE` set; KEY is a dotted path, VALUE is read as TOML, or else as a string.

    Raises
    ------
    BakeoffError
        If an override has no `=`, an empty key, a path through a value that is not a table, or is too long
        or deep for any study.
    """
    tables = copy.deepcopy(tables)
    for override in overrides:
        key, equals, text = override.partition("=")
        path = [part.strip() for part in key.split(".")]
        origin = f"override {shorten(override)}"
        if not equals or not all(path):
            raise BakeoffError(
                f"{origin}: expected KEY=VALUE with a dotted key, such as defaults.epochs=20", "overrides"
            )
        if len(path) > MAX_DEPTH:
            raise BakeoffError(f"{origin}: the key has {len(path):,} parts; expected at most {MAX_DEPTH}")
        *parents, last = path
        table = tables
        for depth, part in enumerate(parents, start=1):
            child = table.setdefault(part, {})
            if isinstance(child, str) and part in NAMED_TABLES:
                child = table[part] = {"name": child}
            if not isinstance(child, dict):
                raise BakeoffError(
                    f"{origin}: {'.'.join(path[:depth])} is {shorten(child)}, not a table, "
                    "so it has no keys to set"
                )
            table = child
        table[last] = _toml_value(text.strip(), origin)
        refuse_deep(tables, origin)
    return tables


def _toml_value(text: str, origin: str) -> Any:
    if len(text) > MAX_BYTES:
        raise BakeoffError(f"{origin}: {too_long(len(text))}")
    try:
        parsed = parse_toml(f"value = {text}", origin)
    except BakeoffError as error:
        if not isinstance(error.__cause__, tomllib.TOMLDecodeError):
            raise
        return text
    return parsed["value"] if set(parsed) == {"value"} else text


def set_for_all_recipes(tables: Table, key: str, value: Any) -> Table:
    """Tables with this value of `key` in [defaults] and in every recipe that sets it."""
    tables = apply_overrides(tables, [f"defaults.{key}={value}"])
    recipes = tables.get("recipes")
    for recipe in recipes.values() if isinstance(recipes, dict) else ():
        if isinstance(recipe, dict) and key in recipe:
            recipe[key] = value
    return tables


def merge_defaults(tables: Table) -> Table:
    """Tables with [defaults] merged into each recipe and removed.

    Tables are merged key by key. A table that names a model, loss, optimizer or schedule other than that of
    [defaults] replaces the whole table, because their options differ.
    """
    defaults, recipes = tables.get("defaults", {}), tables.get("recipes")
    if not isinstance(defaults, dict) or not isinstance(recipes, dict):
        return tables
    merged = {
        name: merge_recipe(defaults, recipe) if isinstance(recipe, dict) else recipe
        for name, recipe in recipes.items()
    }
    return {key: value for key, value in tables.items() if key != "defaults"} | {"recipes": merged}


def merge_recipe(defaults: Table, recipe: Table) -> Table:
    """The tables of one recipe merged over those of [defaults]."""
    merged = {key: _as_table(key, value) for key, value in defaults.items()}
    if "trainer" in {**defaults, **recipe}:  # the other defaults are those of Bakeoff's own training
        merged = {key: value for key, value in merged.items() if _is_of_trainer(key, value)}
    for key, value in recipe.items():
        default = merged.get(key)
        if key in NAMED_TABLES and isinstance(default, dict) and isinstance(value, dict):
            name = value.get("name", default["name"])
            merged[key] = default | value if name == default["name"] else value
        elif key in (*PLAIN_TABLES, "settings") and isinstance(default, dict) and isinstance(value, dict):
            merged[key] = default | value
        else:
            merged[key] = _as_table(key, value)
    return merged


def _is_of_trainer(key: str, value: Any) -> bool:
    """Of `vary`, a trainer knows the split alone; what else [defaults] say there is not for it."""
    return key in OF_TRAINER and (key != "vary" or (isinstance(value, list | tuple) and "split" in value))


def _as_table(key: str, value: Any) -> Any:
    """Read `optimizer = "sgd"` as a table with that name; a table without a name gets the default name."""
    if key in NAMED_TABLES and isinstance(value, str):
        return {"name": value}
    if key in NAMED_TABLES and isinstance(value, dict):
        return {"name": DEFAULT_NAMES[key]} | value
    return value
