"""From pydantic's validation errors to lines a user can act on: the key, what was found, what is valid."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError

from bakeoff.study.data_settings import DataSettings
from bakeoff.study.parsing import Table
from bakeoff.study.recipe import NAMED_TABLES, PLAIN_TABLES, Recipe
from bakeoff.study.study import Published, Study
from bakeoff.text import shorten

MOST_PROBLEMS = 200
"""Explained at most: more have one cause, and each takes a search for the nearest valid key."""

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "tuple_type": "a list",
}


def explain(error: ValidationError, written: Table, merged: Table) -> list[str]:
    """One line for each wrong key of a study file, without repeats.

    Parameters
    ----------
    error
        What pydantic said of `merged`.
    written
        The tables as the user wrote them: tells whether a value came from [defaults].
    merged
        The tables after [defaults] were merged into the recipes.
    """
    lines = []
    for problem in error.errors(include_url=False)[:MOST_PROBLEMS]:
        path = _path_in(merged, problem["loc"])
        if path == ["defaults"] and isinstance(problem["input"], dict):
            continue  # not merged, because [recipes] is wrong: that is told
        shown = _shown(".".join(_as_written(path, written))) or "study"
        lines.append(f"{shown}: {_problem_text(dict(problem), path, merged)}")
    return list(dict.fromkeys(lines))


def _path_in(tables: Any, location: tuple[int | str, ...]) -> list[str]:
    """Drop from pydantic's location the tags of unions and its own marks, which are no keys of the file."""
    path: list[str] = []
    here = tables
    for depth, part in enumerate(location):
        last = depth == len(location) - 1
        if isinstance(here, dict) and part in here:
            here = here[part]
        elif part == "[key]" or (isinstance(here, dict) and not last):
            continue
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        elif isinstance(here, dict) and path and path[-1] in NAMED_TABLES and part in _tags(path[-1]):
            continue
        path.append(str(part))
    return path


def _shown(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:150]}...{path[-40:]}"


def _tags(table: str) -> set[str]:
    return {*NAMED_TABLES[table], "import path"}


def _as_written(path: list[str], written: Table) -> list[str]:
    """The path with `recipes.NAME` replaced by `defaults` where the value was inherited."""
    if len(path) < 3 or path[0] != "recipes":
        return path
    own: Any = written.get("recipes", {}).get(path[1], {})
    inherited: Any = written.get("defaults", {})
    for part in path[2:]:
        own = own.get(part) if isinstance(own, dict) else None
        inherited = inherited.get(part) if isinstance(inherited, dict) else None
    return ["defaults", *path[2:]] if own is None and inherited is not None else path


def _problem_text(problem: dict[str, Any], path: list[str], merged: Table) -> str:
    kind, found = problem["type"], problem["input"]
    context = problem.get("ctx", {})
    if path == ["defaults"] and not isinstance(found, dict):
        return f"found {shorten(found)}, expected a table"
    if kind == "extra_forbidden":
        if len(path) == 1 and path[0] in Recipe.model_fields:
            return f"unknown key; did you mean 'defaults.{path[0]}', for all recipes?"
        return "unknown key" + _nearest(path[-1], _valid_keys(path[:-1], merged))
    if kind == "union_tag_invalid":
        valid = list(NAMED_TABLES[path[-1]])
        more = ", or an import path package.module:Class" if path[-1] == "model" else ""
        return f"unknown name {shorten(context['tag'])}" + _nearest(str(context["tag"]), valid, more)
    if kind == "union_tag_not_found":
        return f"the table needs a name: one of {', '.join(NAMED_TABLES[path[-1]])}"
    if kind == "literal_error":
        valid = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f"found {shorten(found)}" + _nearest(str(found), valid)
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "not there, but required"
    if kind == "too_short" and path == ["recipes"]:
        return "a study needs at least one [recipes.NAME] table"
    if kind == "string_pattern_mismatch":
        if path[-2:] == ["augmentation", "custom"]:
            return f"found {shorten(found)}, expected an import path package.module:Class"
        if "train_loss" in path:
            return f"the key {shorten(found)} is no epoch; expected a whole number from 1, in quotes"
        return f"the name {shorten(found)} may hold only letters, digits, - and _ (64 at most)"
    expected = EXPECTED.get(kind) or problem["msg"].removeprefix("Input should be ")
    return f"found {shorten(found)}, expected {expected}"


def _nearest(found: str, valid: list[str], more: str = "") -> str:
    near = difflib.get_close_matches(found, valid, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (valid: {', '.join(valid)}{more})"


def _valid_keys(table_path: list[str], merged: Table) -> list[str]:
    """The keys that may stand in the table at this path."""
    match table_path:
        case []:
            return [*Study.model_fields, "defaults"]
        case ["data"]:
            return list(DataSettings.model_fields)
        case ["recipes", _]:
            return list(Recipe.model_fields)
        case ["published", _]:
            return list(Published.model_fields)
        case ["recipes", _, table] if table in PLAIN_TABLES:
            return list(PLAIN_TABLES[table].model_fields)
        case ["recipes", recipe, table] if table in NAMED_TABLES:
            default: type[BaseModel] = type(Recipe.model_fields[table].default)
            name = merged["recipes"][recipe][table].get("name")
            return list(NAMED_TABLES[table].get(name, default).model_fields)
        case _:
            return []
