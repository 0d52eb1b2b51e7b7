"""Generate docs/study-file.md from the settings and their docstrings.

    python scripts/study_file_page.py

A test compares the page with the output of this script, so it is always up to date.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.compare import CompareSettings
from bakeoff.study.settings.data import DataSettings, OtherImages
from bakeoff.study.settings.tables import NAMED_TABLES, OWN_PARTS, PLAIN_TABLES
from bakeoff.study.settings.tune import Space, TuneSettings
from bakeoff.study.study import Published, Study

PAGE = Path(__file__).parents[1] / "docs" / "study-file.md"

INTRODUCTION = """\
# The study file

A study file is [TOML](https://toml.io). `bakeoff show STUDY` prints one with every key written out;
`--set KEY=VALUE` sets any key for one command. Unknown keys and invalid values are refused with a list of the
valid ones.

Editors that read TOML with a JSON Schema complete its keys, explain them and mark what is wrong: VS Code with
the extension Even Better TOML, others with [Taplo](https://taplo.tamasfe.dev). They find the schema by the
first line of the file, which `bakeoff show` prints: `#:schema ./study.schema.json`. Write it beside your
study files, once for each version of Bakeoff; nothing is downloaded:

```console
$ bakeoff schema > study.schema.json
```

The schema knows keys, types and ranges; `bakeoff show FILE` checks everything.

Settings that a recipe does not set come from `[defaults]`, which may contain any key of a recipe, or else
from the defaults below. Tables are merged key by key; a table that names another model, optimizer or schedule
replaces the whole table. `optimizer = "sgd"` is short for `optimizer = { name = "sgd" }`.

This page is generated from the code by `scripts/study_file_page.py`.
"""

SCALARS = {"integer": "whole number", "number": "number", "string": "string", "boolean": "true or false"}


def page() -> str:
    """The whole page as Markdown."""
    parts = [
        INTRODUCTION,
        _section("Top level", Study, skip=("compare", "data", "tune", "tests", "recipes", "published")),
    ]
    parts.append(_section("`[compare]`", CompareSettings))
    parts.append(_section("`[data]`", DataSettings))
    parts.append(_section("`[tune]`", TuneSettings))
    parts.append(_section("`[tests.NAME]`", OtherImages))
    parts.append(_section("`[recipes.NAME]` and `[defaults]`", Recipe, skip=(*NAMED_TABLES, *PLAIN_TABLES)))
    for table, settings in PLAIN_TABLES.items():
        parts.append(_section(f"`{table}` of a recipe", settings))
    parts.append(_section("`search` of a recipe", Space))
    for table, choices in NAMED_TABLES.items():
        about = _sentences(Recipe.model_fields[table].description)
        default = getattr(Recipe.model_fields[table].default, "name", None)
        default = f'`name = "{default}"`' if default else "none"
        parts.append(f"## `{table}` of a recipe\n\n{about} Default: {default}.\n")
        for name, settings in choices.items():
            parts.append(_section(f'`name = "{name}"`', settings, level=3, skip=("name",)))
        own = OWN_PARTS[table]
        kind = "Class" if "Class" in (own.model_fields["name"].description or "") else "function"
        parts.append(_section(f'`name = "package.module:{kind}"`', own, level=3))
    parts.append(_section("`[published.NAME]`", Published))
    return "\n".join(parts)


def _section(
    title: str, settings: type[BaseModel], *, level: int = 2, skip: tuple[str, ...] | list[str] = ()
) -> str:
    about = (settings.__doc__ or "").strip()
    lines = [f"{'#' * level} {title}", "", _sentences(about), ""]
    properties = settings.model_json_schema()["properties"]
    fields = {name: field for name, field in settings.model_fields.items() if name not in skip}
    if fields:
        lines += ["| key | default | |", "| --- | --- | --- |"]
        lines += [_row(name, field, properties[name]) for name, field in fields.items()]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, field: FieldInfo, schema: dict[str, Any]) -> str:
    if field.is_required():
        default = "required"
    elif (value := field.get_default(call_default_factory=True)) is None:
        default = "none"
    else:
        default = f"`{json.dumps(value)}`"
    return f"| `{name}` | {default} | {_sentences(field.description)} *{_takes(schema).capitalize()}.* |"


def _takes(schema: dict[str, Any]) -> str:
    """The valid values, from a field's JSON schema."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "anyOf" in schema:
        return _takes(next(kind for kind in schema["anyOf"] if kind.get("type") != "null"))
    match schema["type"]:
        case "array":
            items = schema["items"] if "items" in schema else schema["prefixItems"][0]
            return f"list, each a {_takes(items)}" if items else "list"
        case "object":
            return "table"
    bounds = [
        f"{words} {schema[key]:,}".replace(",", "")
        for key, words in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    return " ".join([SCALARS[schema["type"]], *bounds])


def _sentences(text: str | None) -> str:
    """A docstring as one line of Markdown."""
    return re.sub(r"\s+", " ", text or "").replace("|", "\\|").replace("[", "\\[").strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
