"""Turn pydantic's validation errors into messages with the key, what was found, and what is valid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bakeoff.errors import BakeoffError
from bakeoff.study.settings.tables import NAMED_TABLES
from bakeoff.study.tables import Table
from bakeoff.text import counted, did_you_mean, list_some, shorten

MOST_PROBLEMS = 200
"""Maximum number of problems explained: more have one cause, and each costs a search for similar keys."""

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a string in quotes",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "tuple_type": "a list",
    "union_tag_not_found": "a table",
}


Schema = TypeVar("Schema", bound=BaseModel)

ValidKeys = Callable[[list[str], Table], list[str]]
"""From a path and the tables it refers to, to the valid keys there."""


def validate(
    schema: type[Schema], tables: Table, origin: str, valid_keys: ValidKeys, written: Table | None = None
) -> Schema:
    """The study or recipe that complete tables describe.

    Parameters
    ----------
    schema
        `Study` or `Recipe`.
    tables
        With [defaults] merged into the recipes.
    origin
        Names the tables in messages.
    valid_keys
        The valid keys of this schema.
    written
        The tables as the user wrote them, if different.

    Raises
    ------
    BakeoffError
        If the tables are invalid: every wrong key with what was found and what is valid.
    """
    try:
        return schema.model_validate(tables)
    except ValidationError as error:
        problems = explain(error, tables if written is None else written, tables, valid_keys)
        raise BakeoffError(f"{origin}: {counted(len(problems), 'problem')}\n{list_some(problems)}") from None


def explain(error: ValidationError, written: Table, merged: Table, valid_keys: ValidKeys) -> list[str]:
    """One line per wrong key of a study file, without duplicates.

    Parameters
    ----------
    error
        Pydantic's error for `merged`.
    written
        The tables as the user wrote them, which show whether a value came from [defaults].
    merged
        The tables after [defaults] were merged into the recipes.
    valid_keys
        The valid keys of a table.
    """
    lines = []
    for problem in error.errors(include_url=False)[:MOST_PROBLEMS]:
        path = _path_in(merged, problem["loc"])
        if path == ["defaults"] and isinstance(problem["input"], dict):
            continue  # not merged, because [recipes] is wrong, which is reported
        shown = _shown(".".join(_as_written(path, written)))
        if not shown and error.title == "Study":  # a recipe by itself is no study
            shown = "study"
        text = _problem_text(dict(problem), path, merged, valid_keys)
        lines.append(f"{shown}: {text}" if shown else text)
    return list(dict.fromkeys(lines))


def _path_in(tables: Any, location: tuple[int | str, ...]) -> list[str]:
    """Pydantic's location without tags of unions and its own marks, which are not keys of the file."""
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
    """The path with `recipes.NAME` replaced by `defaults` if the value was inherited."""
    if len(path) < 3 or path[0] != "recipes":
        return path
    own: Any = written.get("recipes", {}).get(path[1], {})
    inherited: Any = written.get("defaults", {})
    for part in path[2:]:
        own = own.get(part) if isinstance(own, dict) else None
        inherited = inherited.get(part) if isinstance(inherited, dict) else None
    return ["defaults", *path[2:]] if own is None and inherited is not None else path


def _problem_text(problem: dict[str, Any], path: list[str], merged: Table, valid_keys: ValidKeys) -> str:
    kind, found = problem["type"], problem["input"]
    context = problem.get("ctx", {})
    if path == ["defaults"] and not isinstance(found, dict):
        return f"found {shorten(found)}, expected a table"
    if kind == "extra_forbidden":
        if len(path) == 1 and path[0] in valid_keys(["recipes", ""], merged):
            return f"unknown key; did you mean 'defaults.{path[0]}', for all recipes?"
        return "unknown key" + _nearest(path[-1], valid_keys(path[:-1], merged))
    if kind == "union_tag_invalid":
        valid = list(NAMED_TABLES[path[-1]])
        kind_of_code = "Class" if path[-1] in ("model", "optimizer") else "function"
        more = f", or an import path package.module:{kind_of_code}"
        return f"unknown name {shorten(context['tag'])}" + _nearest(str(context["tag"]), valid, more)
    if kind == "union_tag_not_found" and isinstance(found, dict):
        return f"the table needs a name: one of {', '.join(NAMED_TABLES[path[-1]])}"
    if kind == "literal_error":
        valid = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f"found {shorten(found)}" + _nearest(str(found), valid)
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "missing, but required"
    if kind == "too_short" and path == ["recipes"]:
        return "a study needs at least one [recipes.NAME] table"
    if kind == "string_pattern_mismatch":
        if path[-2:] == ["augmentation", "custom"] or path[-1] in ("estimator", "features"):
            return f"found {shorten(found)}, expected an import path package.module:Class"
        if path[-1] == "name" and path[-2:-1] and path[-2] in NAMED_TABLES:
            libraries = ", timm:NAME or torchvision:NAME" if path[-2] == "model" else ""
            return f"found {shorten(found)}, expected an import path package.module:Class{libraries}"
        if "train_loss" in path:
            return f"the key {shorten(found)} is not an epoch; expected a whole number from 1, in quotes"
        return f"the name {shorten(found)} may contain only letters, digits, - and _ (at most 64)"
    expected = EXPECTED.get(kind) or problem["msg"].removeprefix("Input should be ")
    return f"found {shorten(found)}, expected {expected}"


def _nearest(found: str, valid: list[str], more: str = "") -> str:
    return f"{did_you_mean(found, valid, cutoff=0.5)} (valid: {', '.join(valid)}{more})"
