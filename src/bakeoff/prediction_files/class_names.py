"""Names of classes that are written differently and plainly mean the same: `2.0` and `2`, `Owl` and `owl`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from bakeoff.prediction_files.table import PredictionTable

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{0,25}|,0{1,2})?(e[+-]?\d{1,2})?", re.ASCII)
_CLASS_NUMBER = re.compile(r"(?:class|label)[ _-]?(\d+)", re.ASCII)
_BOOLEANS = {"false": "0", "true": "1"}

_MAX_LISTED = 3


def unify_class_names(tables: Sequence[PredictionTable]) -> tuple[list[PredictionTable], list[str]]:
    """Give classes that are written differently the name that the labels have.

    Numbers are compared by value, so that `2.0`, `02` and `class_2` are `2`; other names without regard to
    case, blanks, quotes and underscores; `True` and `False` are 1 and 0 where there are no other classes.
    Names that tell the labels of one run apart, or two columns of probabilities, are different classes.

    Returns
    -------
    tables
        With the unified names; those of a table are then not always unique.
    notes
        One sentence on the names that were unified, or none.
    """
    labels = dict.fromkeys(
        table.class_names[code] for table in tables for code in np.flatnonzero(np.bincount(table.labels))
    )
    declared = dict.fromkeys(name for table in tables for name in table.declared_classes or ())
    # In this order, so that the first spelling of a class is that of the labels.
    names = list(labels | declared | dict.fromkeys(name for table in tables for name in table.class_names))
    keys = {name: _key(name) for name in names}
    as_numbers = {name: _BOOLEANS.get(key, key) for name, key in keys.items()}
    if set(as_numbers.values()) <= {"0", "1"}:
        keys = as_numbers
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(keys[name], []).append(name)
    meant = {
        name: same[0]
        for same in spellings.values()
        if len(same) > 1 and not _are_different(same, tables)
        for name in same[1:]
    }
    if not meant:
        return list(tables), []
    unified = [
        replace(
            table,
            class_names=[meant.get(name, name) for name in table.class_names],
            declared_classes=None
            if table.declared_classes is None
            else tuple(meant.get(name, name) for name in table.declared_classes),
        )
        for table in tables
    ]
    examples = [f"{name!r} as {first!r}" for name, first in list(meant.items())[:_MAX_LISTED]]
    more = f" and {len(meant) - _MAX_LISTED} more" if len(meant) > _MAX_LISTED else ""
    note = f"Class names that are written differently were read as the same: {', '.join(examples)}{more}."
    return unified, [note]


def _key(name: str) -> str:
    """What the spellings of a class have in common."""
    text = unicodedata.normalize("NFKC", name).casefold().strip(" '\"")
    if number := _CLASS_NUMBER.fullmatch(text):
        text = number[1]
    if _NUMBER.fullmatch(text):
        value = float(text.replace(",", "."))
        return str(int(value)) if value.is_integer() else str(value)
    return re.sub(r"[\s_-]+", " ", text).strip() or name


def _are_different(spellings: Iterable[str], tables: Sequence[PredictionTable]) -> bool:
    """Whether some table uses two of these spellings side by side, so that they are different classes."""
    for table in tables:
        if sum(name in spellings for name in table.declared_classes or ()) > 1:
            return True
        runs = [
            np.unique(table.runs[table.labels == code])
            for code, name in enumerate(table.class_names)
            if name in spellings
        ]
        together = np.concatenate([np.array([], np.int32), *runs])
        if len(np.unique(together)) < len(together):
            return True
    return False
