"""find_sources(): which sources a folder or file may be, by the names of what is in it."""

from __future__ import annotations

import re
from pathlib import Path

from bakeoff.data.sources.cifar10 import TRAIN_FILES
from bakeoff.data.sources.idx import FILE_NAME
from bakeoff.data.sources.tables.columns import NAMES
from bakeoff.data.sources.tables.csv_file import METADATA
from bakeoff.data.sources.tables.reading import read_table
from bakeoff.data.sources.walking import IMAGE_SUFFIXES, is_system, suffix_of
from bakeoff.errors import BakeoffError
from bakeoff.text import did_you_mean_path

TABLES = (".csv", ".tsv", ".jsonl")

GROUP_COLUMN = re.compile(
    "(animal|case|clip|patient|person|scene|sequence|session|slide|specimen|study|subject|video)"
    "([ _-]?(id|no|nr|number|name))?",
    re.IGNORECASE,
)
"""Name of a column that tells which images belong together."""


def find_sources(place: Path) -> list[str]:
    """The sources, `KIND:PATH`, that a folder or file may be, those with a table first; [] if there is none.

    None is read: which of them have images and labels, `list_source` tells.

    Raises
    ------
    BakeoffError
        If there is no such folder or file, or it is a file that no source reads.
    """
    if place.is_file():
        kinds = {".parquet": "parquet", ".npz": "npz"} | dict.fromkeys(TABLES, "csv")
        kind = kinds.get(suffix_of(place.name))
        if kind is None:
            raise BakeoffError(
                f"{place} is not a table of images; expected a folder of images, or a file "
                f"{', '.join([*TABLES, '.parquet'])} or .npz"
            )
        return [f"{kind}:{place}"]
    if not place.is_dir():
        _, colon, path = str(place).partition(":")  # a source, where only its path is expected
        siblings = [entry.name for entry in place.parent.iterdir()] if place.parent.is_dir() else []
        hint = (
            f"; did you mean {path!r}?"
            if colon and Path(path).exists()
            else did_you_mean_path(place, siblings)
        )
        raise BakeoffError(
            f"no folder or file {place}{hint}; expected a folder of images, or a table of them"
        )
    names = sorted(entry.name for entry in place.iterdir() if not is_system(entry.name))
    folders = [name for name in names if (place / name).is_dir()]
    tables = [name for name in names if suffix_of(name) in TABLES and name not in METADATA]
    found = []
    if (place / "splits" / "train.txt").is_file():
        found.append(f"splits:{place}")
    if {"train_X.bin", "stl10_binary"} & {*names}:
        found.append(f"stl10:{place}")
    if {TRAIN_FILES[0], "cifar-10-batches-bin"} & {*names}:
        found.append(f"cifar10:{place}")
    if any(FILE_NAME.fullmatch(name) for name in names):
        found.append(f"idx:{place}")
    if any((place / folder / name).is_file() for folder in ("", *folders) for name in METADATA):
        found.append(f"csv:{place}")
    if any(suffix_of(name) == ".parquet" for name in names):
        found.append(f"parquet:{place}")
    found += [f"csv:{place / name}" for name in tables]
    found += [f"npz:{place / name}" for name in names if suffix_of(name) == ".npz"]
    if any(_has_images(place / name) for name in folders):
        found.append(f"folder:{place}")
    return found


def group_column(table: Path) -> str | None:
    """The column of a table that by its name tells groups of images, such as `patient_id`.

    None if there is none, or several, or one named `group`, which is read without being named.
    """
    header = read_table(table)[0].cells
    if {*NAMES["group"]} & {name.lower() for name in header}:
        return None
    named = [name for name in header if GROUP_COLUMN.fullmatch(name.strip())]
    return named[0] if len(named) == 1 else None


def _has_images(folder: Path) -> bool:
    """Whether there is an image in a folder, or in one of those in it."""
    below = [entry for entry in folder.iterdir() if not is_system(entry.name)]
    further = [entry for path in below if path.is_dir() for entry in path.iterdir()]
    return any(suffix_of(entry.name) in IMAGE_SUFFIXES for entry in [*below, *further])
