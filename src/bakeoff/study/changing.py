"""Studies and recipes changed and shown in Python."""

from __future__ import annotations

import html
import inspect
from typing import Any

from bakeoff.own_code import import_path
from bakeoff.study.merging import merge_recipe
from bakeoff.study.reading import study_from_tables
from bakeoff.study.recipe import Recipe, flatten_settings
from bakeoff.study.study import Study


def changed_recipe(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """See `Recipe.changed`."""
    settings = {key: _with_paths(key, value) for key, value in settings.items()}
    tables = {"name": "study", "recipes": {"recipe": merge_recipe(recipe.model_dump(mode="json"), settings)}}
    return study_from_tables(tables, "changed recipe").recipes["recipe"]


def changed_study(study: Study, settings: dict[str, Any]) -> Study:
    """See `Study.changed`."""
    tables = study.model_dump(mode="json", exclude_none=True)
    for key, value in settings.items():
        if key in ("data", "recipes", "published") and isinstance(value, dict):
            merged = {**tables[key], **{name: _as_table(part) for name, part in value.items()}}
            tables[key] = {name: part for name, part in merged.items() if part is not None}
        elif value is None:
            tables.pop(key, None)
        else:
            tables[key] = value
    # What belonged to a recipe taken out goes with it.
    names = tables["recipes"] if isinstance(tables["recipes"], dict) else {}
    tables["published"] = {name: entry for name, entry in tables["published"].items() if name in names}
    if "baseline" not in settings and tables.get("baseline") not in names:
        tables.pop("baseline", None)
    return study_from_tables(tables, "changed study")


def study_html(study: Study) -> str:
    """A table of settings by recipe: those that differ, then how many are alike."""
    flat = {name: flatten_settings(recipe) for name, recipe in study.recipes.items()}
    keys = list(dict.fromkeys(key for settings in flat.values() for key in settings))
    differing = [key for key in keys if len({repr(settings.get(key)) for settings in flat.values()}) > 1]
    shown = differing or ["model.name", "epochs", "optimizer.name", "optimizer.lr"]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in flat)
    rows = "".join(
        f"<tr><th>{html.escape(key)}</th>"
        + "".join(f"<td>{html.escape(str(settings.get(key, '–')))}</td>" for settings in flat.values())
        + "</tr>"
        for key in shown
    )
    up_to = f" to {study.most_seeds}" if study.until == "decided" else ""
    about = f"{study.seeds}{up_to} seeds a recipe on {study.data.source}"
    alike = f"; {len(keys) - len(differing)} further settings are alike" if differing else ""
    return (
        f"<p><b>{html.escape(study.name)}</b> {html.escape(study.description)}<br>"
        f"{html.escape(about)}{alike}</p>"
        f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _with_paths(key: str, value: Any) -> Any:
    """Replace a class of the user's own by its import path."""
    place = {"model": "name", "augmentation": "custom"}.get(key)
    if place and inspect.isclass(value):
        return {place: import_path(value)}
    if place and isinstance(value, dict) and inspect.isclass(value.get(place)):
        return {**value, place: import_path(value[place])}
    return value


def _as_table(part: Any) -> Any:
    return part.model_dump(mode="json", exclude_none=True) if hasattr(part, "model_dump") else part
