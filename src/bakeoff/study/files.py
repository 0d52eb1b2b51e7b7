"""Reading, checking and writing study files; the built-in studies by name."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w

from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings
from bakeoff.study.study import Study, study_from_tables
from bakeoff.study.tables import MAX_BYTES, Table, apply_overrides, parse_toml, set_for_all_recipes, too_long
from bakeoff.text import did_you_mean, shorten


def load_study(
    name_or_path: str | Path,
    *,
    overrides: Sequence[str] = (),
    source: str | None = None,
    seeds: int | None = None,
    until: str | None = None,
    max_seeds: int | None = None,
    epochs: int | None = None,
    recipes: Sequence[str] | None = None,
    metric: str | None = None,
    trials: int | None = None,
) -> Study:
    """Load a built-in study or a TOML file, with changes.

    Parameters
    ----------
    name_or_path
        Name of a built-in study (see `builtin_studies`), or path of a TOML file.
    overrides
        `KEY=VALUE` texts; KEY is a dotted path into the file, such as `defaults.optimizer.lr`.
    source
        Replaces `data.source`.
    seeds
        Replaces `seeds`.
    until, max_seeds
        Replace `until` and `max_seeds`.
    epochs
        Replaces `epochs` of every recipe.
    recipes
        Keep only these recipes, in this order.
    metric
        Replaces `compare.metric`.
    trials
        Replaces the number of trials of every recipe that has a search space; 0 for none.

    Raises
    ------
    BakeoffError
        If there is no such study, or the file is not TOML or not a valid study: every wrong key with what
        was found there and what is valid.
    """
    text, origin = _study_text(str(name_or_path))
    tables = apply_overrides(parse_toml(text, origin), overrides)
    if source is not None:
        tables = _with_key(tables, "data", "source", source)
    if metric is not None:
        tables = _with_key(tables, "compare", "metric", metric)
    changes = {"seeds": seeds, "until": until, "max_seeds": max_seeds}
    tables |= {key: value for key, value in changes.items() if value is not None}
    if max_seeds is not None and tables.get("until") != "decided":
        raise BakeoffError(
            f'max_seeds is {max_seeds}, which applies only where until is "decided"; set both, or set seeds',
            "max_seeds",
        )
    if epochs is not None and isinstance(tables.get("defaults", {}), dict):
        tables = set_for_all_recipes(tables, "epochs", epochs)
    if recipes is not None:
        tables = _only_recipes(tables, recipes, origin)
    study = study_from_tables(tables, origin)
    return study if trials is None else study.with_trials(trials)


def load_data_settings(source: str, overrides: Sequence[str] = ()) -> DataSettings:
    """The settings of a data source where there is no study, with changes as in `load_study`.

    Raises
    ------
    BakeoffError
        If a change names no setting, or is no value for it.
    """
    tables = apply_overrides({"name": "data", "recipes": {"none": {}}}, overrides)
    return study_from_tables(_with_key(tables, "data", "source", source), "the settings").data


def study_from_toml(text: str, origin: str) -> Study:
    """The study described by TOML text; `origin` names it in messages."""
    return study_from_tables(parse_toml(text, origin), origin)


def study_to_toml(study: Study) -> str:
    """A study as TOML with every default written out; reading it again gives an equal study."""
    tables = study.model_dump(mode="json", exclude_none=True)
    for name in ("published", "tests"):
        if not tables[name]:  # no setting, and an empty table explains nothing
            del tables[name]
    return tomli_w.dumps(tables)


def builtin_studies() -> dict[str, Study]:
    """The built-in studies, by name."""
    return {name: load_study(name) for name in _builtin_names()}


def _builtin_names() -> list[str]:
    names = [path.name for path in _builtin_folder().iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def _builtin_folder() -> Any:
    return resources.files("bakeoff.study") / "builtin"


def _study_text(name_or_path: str) -> tuple[str, str]:
    if name_or_path in _builtin_names():
        builtin = _builtin_folder() / f"{name_or_path}.toml"
        return builtin.read_text("utf-8"), f"built-in study {name_or_path}"
    path = Path(name_or_path)
    try:
        if (path / "study.toml").is_file():
            path = path / "study.toml"
        if path.is_file():
            if path.stat().st_size > MAX_BYTES:
                raise BakeoffError(f"{path}: {too_long(path.stat().st_size)}")
            return _decode(path.read_bytes(), path), str(path)
    except OSError as error:
        raise BakeoffError(f"cannot read {shorten(name_or_path)}: {error.strerror or error}") from error
    names = _builtin_names()
    files = [file.name for file in Path().glob("*.toml")]
    hint = did_you_mean(name_or_path, [*names, *files])
    raise BakeoffError(
        f"no study {shorten(name_or_path)}: neither a file nor a built-in study{hint}\n"
        f"built-in: {', '.join(names)}\nto write one for a folder of images: bakeoff init FOLDER"
    )


def _decode(content: bytes, path: Path) -> str:
    """The text of a study file: UTF-8, or UTF-16 with a byte order mark, as `>` in PowerShell writes it."""
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    place = -1 if utf_16 else content.find(0)  # UTF-16 without a mark has such bytes
    if place < 0:
        try:
            return content.decode("utf-16" if utf_16 else "utf-8-sig")
        except UnicodeDecodeError as error:
            place = len(content) - len(error.object) + error.start  # the codec cuts a mark off
    encoding = "UTF-16" if utf_16 else "UTF-8"
    raise BakeoffError(
        f"{path}: byte {place} is 0x{content[place]:02X}, which is not {encoding} text; "
        "a study file is TOML, saved as UTF-8"
    )


def _with_key(tables: Table, name: str, key: str, value: str) -> Table:
    table = tables.get(name, {})
    return tables | {name: table | {key: value}} if isinstance(table, dict) else tables


def _only_recipes(tables: Table, names: Sequence[str], origin: str) -> Table:
    recipes = tables.get("recipes")
    if not isinstance(recipes, dict):
        return tables
    unknown = [name for name in names if name not in recipes]
    if unknown or not names:
        raise BakeoffError(
            f"{origin} has no recipe {', '.join(map(repr, unknown)) or 'of an empty name'}; "
            f"it has {', '.join(recipes)}",
            "recipes",
        )
    kept = tables | {"recipes": {name: recipes[name] for name in names}}
    if kept.get("baseline") not in names:
        kept.pop("baseline", None)
    if isinstance(kept.get("published"), dict):
        kept["published"] = {name: value for name, value in kept["published"].items() if name in names}
    return kept
