"""The JSON Schema of study files, by which editors complete, explain and check them.

It accepts every valid study file. It knows keys, types and ranges, not the rules between settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.tables import NAMED_TABLES, OWN_PARTS, PLAIN_TABLES
from bakeoff.study.settings.tune import Space
from bakeoff.study.study import Study

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest that Taplo, which checks TOML in editors, reads."""

SCHEMA_FILE = "study.schema.json"
"""Beside a study file that begins with `SCHEMA_HEADER`."""

SCHEMA_HEADER = f"""\
#:schema ./{SCHEMA_FILE}
# Editors complete and check this file after: bakeoff schema > {SCHEMA_FILE}

"""
"""Names the schema to editors, by a path relative to the file in which it stands."""


def study_schema() -> Schema:
    """The schema of study files, JSON Schema draft 7, with the documentation of each setting.

    Without references, which editors follow for checking but not all for completion.
    """
    schema = _schema_of(Study)
    properties = schema["properties"]
    recipe = _partial_recipe()
    about = "Settings that recipes do not set themselves; any key of a recipe."
    properties["defaults"] = recipe | {"description": about}
    _set_recipes(properties["recipes"], recipe)
    return {
        "$schema": DIALECT,
        "title": "Study file of Bakeoff",
        **schema,
        "if": {"not": {"properties": {"defaults": {"anyOf": _own_parts()}}, "required": ["defaults"]}},
        "then": {"properties": {"recipes": {"additionalProperties": {"properties": _without_name()}}}},
    }


def _partial_recipe() -> Schema:
    """The table of a recipe, each of whose keys may come from [defaults]."""
    schema = _schema_of(Recipe)
    properties = schema["properties"]
    for key, kinds in NAMED_TABLES.items():
        own = _schema_of(OWN_PARTS[key])
        own["required"] = ["name"]
        name = own["properties"]["name"]
        properties[key] = {
            "description": properties[key].get("description", ""),
            "anyOf": [
                {"type": "string", "enum": list(kinds)},
                {"type": "string", "pattern": name["pattern"]},
                *(_partial(settings) for settings in kinds.values()),
                own,
                # Options of the user's own part that [defaults] names; see _without_name().
                {"type": "object", "not": {"required": ["name"]}},
            ],
        }
    for key, settings in PLAIN_TABLES.items():
        properties[key] |= _partial(settings)
    space = _schema_of(Space)
    deeper = {"type": "object", "not": {"anyOf": [{"required": [key]} for key in Space.model_fields]}}
    properties["search"] |= {"type": "object", "additionalProperties": {"anyOf": [space, deeper]}}
    schema.pop("required", None)
    return schema


def _partial(settings: type[BaseModel]) -> Schema:
    return {key: value for key, value in _schema_of(settings).items() if key != "required"}


def _own_parts() -> list[Schema]:
    """[defaults] that name a part of the user's own."""
    path = {"type": "string", "pattern": ":"}
    table = {"type": "object", "properties": {"name": path}, "required": ["name"]}
    return [{"properties": {key: {"anyOf": [path, table]}}, "required": [key]} for key in NAMED_TABLES]


def _without_name() -> dict[str, Schema]:
    """Tables without a name have keys of a built-in part, unless [defaults] name another one."""
    return {
        key: {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "required": ["name"]},
                *(_partial(settings) for settings in kinds.values()),
            ]
        }
        for key, kinds in NAMED_TABLES.items()
    }


def _set_recipes(recipes: Schema, recipe: Schema) -> None:
    (pattern,) = recipes.pop("patternProperties")  # not followed for completion
    recipes |= {"propertyNames": {"pattern": pattern}, "additionalProperties": recipe}


def _schema_of(settings: type[BaseModel]) -> Schema:
    """A table's schema without references, titles and null, which TOML does not have."""
    schema = settings.model_json_schema()
    plain: Schema = _plain(schema, schema.get("$defs", {}))
    plain.pop("$defs", None)
    return plain


def _plain(schema: Any, definitions: dict[str, Schema]) -> Any:
    if isinstance(schema, list):
        return [_plain(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]] | _without(schema, ["$ref"])
    if {"type": "null"} in (kinds := schema.get("anyOf", [])):
        others = [kind for kind in kinds if kind != {"type": "null"}]
        one = others[0] if len(others) == 1 else {"anyOf": others}
        return _plain({**one, **_without(schema, ["anyOf", "default"])}, definitions)
    plain: Schema = {}
    for key, value in schema.items():
        if key == "properties":  # whose keys are names, such as "title"
            plain[key] = {name: _plain(property_, definitions) for name, property_ in value.items()}
        elif key == "description":
            plain[key] = " ".join(value.split())
        elif key == "default":
            if not isinstance(value, dict):  # of a table, whose keys have their own
                plain[key] = value
        elif key not in ("title", "discriminator", "$defs"):
            plain[key] = _plain(value, definitions)
    if "patternProperties" in plain:
        plain["additionalProperties"] = False
    return plain


def _without(schema: Schema, keys: Iterable[str]) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}
