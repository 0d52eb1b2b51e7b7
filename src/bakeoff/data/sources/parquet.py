"""The source `parquet:PATH`: images and labels in Parquet files, as Hugging Face's `datasets` stores them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from bakeoff.data.image_data import SplitName
from bakeoff.data.sources.labels import Names, find_names, number_labels, read_labels
from bakeoff.data.sources.listing import ListedImage, Listing, natural_key, split_named
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings
from bakeoff.text import counted, did_you_mean, listed, shorten

INSTALL = "pip install -c constraints.txt '.[parquet]'"

SHARD = re.compile(r"(?P<name>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})(?:-[0-9a-f]+)?\.parquet")
"""As in `train-00000-of-00002.parquet`; older files have a hash at the end."""


ColumnName = Literal["image", "label"]


class ParquetColumns(NamedTuple):
    """The columns of a file, and the names of the classes, if its metadata have them."""

    image: str
    label: str
    group: str | None
    class_names: tuple[str, ...] | None


class Row(NamedTuple):
    """A row of a file: where it is, what its id is, and its content."""

    location: str
    id: str
    image: bytes
    label: Any
    group: str


def list_parquet(path: Path, settings: DataSettings) -> Listing:
    """List the images in a Parquet file, or in all those of a folder.

    An image is an encoded file, in a column of type binary or of structs with a field `bytes`. The split of a
    file is that of its name, such as `train-00000-of-00001.parquet`, or of its folder. Class names are those
    of the metadata of `datasets`. `settings.columns` has the names of columns that are not image and label.

    Raises
    ------
    BakeoffError
        If pyarrow is not installed, there is no such file, a part of several is missing, a file is damaged,
        a column is missing or cannot be told from others, or a row has no image or no label.
    """
    try:
        import pyarrow.parquet  # noqa: F401 - an optional extra
    except ImportError as error:
        raise BakeoffError(f"parquet: needs pyarrow; in a copy of the repository: {INSTALL}") from error
    if "split" in (settings.columns or {}):
        raise BakeoffError(
            "data.columns.split is for csv:PATH; the split of a Parquet file is that of its name"
        )
    files, notes = _find_files(path)
    folder = path if path.is_dir() else path.parent
    rows: dict[SplitName, list[Row]] = defaultdict(list)
    class_names: dict[Path, tuple[str, ...] | None] = {}
    for file, split in files.items():
        try:
            columns = _find_columns(file, settings)
            class_names[file] = columns.class_names
            rows[split] += _read(file, file.relative_to(folder).as_posix(), columns)
        except BakeoffError:
            raise
        except Exception as error:  # pyarrow raises many exceptions on a damaged file
            reason = str(error)[:200] or type(error).__name__
            raise BakeoffError(f"{file} cannot be read as Parquet: {reason}; download it again") from error
    names, remedy = find_names(folder, settings.class_names)
    names = _common_names(class_names) or names
    all_rows = [row for of_split in rows.values() for row in of_split]
    values = [row.label for row in all_rows]
    numbers = [value for value in values if isinstance(value, int) and abs(value) < 2**62]
    labels = (
        number_labels(np.array(numbers, np.int64), lambda i: all_rows[i].location, names, remedy)
        if values and len(numbers) == len(values)
        else read_labels([str(v).strip() for v in values], lambda i: all_rows[i].location, names, remedy)
    )
    indices = iter(labels.indices)
    splits: dict[SplitName, list[ListedImage]] = {
        split: [ListedImage(row.id, next(indices), row.image, row.group) for row in of_split]
        for split, of_split in rows.items()
    }
    return Listing(splits, labels.class_names, (*notes, *labels.notes))


def _find_files(path: Path) -> tuple[dict[Path, SplitName], tuple[str, ...]]:
    """The files to read with the split of each, and what was left out."""
    if path.is_file():
        found = [path]
    else:
        files = [file for file in path.rglob("*.parquet") if file.is_file()]
        found = sorted(files, key=lambda file: natural_key(str(file)))
        if not found:
            raise BakeoffError(f"no file *.parquet in {path}", "data")
        _refuse_missing_parts(found)
    splits = {file: _split_of(file) for file in found}
    if not any(splits.values()):
        return dict.fromkeys(found, "train"), ()
    others = [file.name for file, split in splits.items() if split is None]
    notes = [f"Ignored {counted(len(others), 'file')} that no split is named after."] if others else []
    return {file: split for file, split in splits.items() if split}, tuple(notes)


def _split_of(file: Path) -> SplitName | None:
    word = re.match(r"[A-Za-z]*", file.name)
    return split_named(word[0] if word else "") or split_named(file.parent.name)


def _refuse_missing_parts(files: list[Path]) -> None:
    """Check that of each set of parts, such as `train-00000-of-00002`, all are there."""
    for file in files:
        if (match := SHARD.fullmatch(file.name)) is None:
            continue
        siblings = [SHARD.fullmatch(other.name) for other in files if other.parent == file.parent]
        numbers = {
            int(other["number"])
            for other in siblings
            if other and (other["name"], other["count"]) == (match["name"], match["count"])
        }
        if len(numbers) != int(match["count"]):
            first = next(number for number in range(int(match["count"]) + 1) if number not in numbers)
            raise BakeoffError(
                f"{file.parent} has {len(numbers)} of the {int(match['count'])} parts of "
                f"{match['name']}-*-of-{match['count']}.parquet; number {first} is missing; download it"
            )


def _find_columns(file: Path, settings: DataSettings) -> ParquetColumns:
    import pyarrow.parquet
    from pyarrow import types

    schema = pyarrow.parquet.read_schema(file)
    features = _features(schema.metadata or {})
    chosen = settings.columns or {}
    for meaning, name in chosen.items():
        if name not in schema.names:
            raise BakeoffError(
                f"{file} has no column {shorten(name)}, which data.columns.{meaning} names"
                f"{did_you_mean(name, schema.names)} (columns: {shorten(schema.names)})"
            )

    def is_image(kind: Any) -> bool:
        if types.is_struct(kind):
            return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    def is_label(kind: Any) -> bool:
        return bool(types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind))

    def choose(meaning: ColumnName, candidates: list[str], expected: str) -> str:
        name = chosen.get(meaning) or _only(file, meaning, candidates, schema.names)
        if name not in candidates:
            raise BakeoffError(
                f"{file}: the column {shorten(name)} is {shorten(str(schema.field(name).type))}; "
                f"expected {expected}"
            )
        return name

    image = choose("image", [field.name for field in schema if is_image(field.type)], "encoded images")
    group = chosen.get("group") or ("group" if "group" in schema.names else None)
    labels = [f.name for f in schema if is_label(f.type) and f.name not in (image, group)]
    named = [name for name in labels if features.get(name)]
    label = choose("label", labels if chosen.get("label") else named or labels, "whole numbers or text")
    return ParquetColumns(image, label, group, features.get(label))


def _only(file: Path, meaning: str, candidates: list[str], columns: list[str]) -> str:
    if meaning in candidates:
        return meaning
    if len(candidates) != 1:
        found = f"{shorten(candidates)} may be" if candidates else f"none of {shorten(columns)} can be"
        raise BakeoffError(
            f"{file}: which column is the {meaning}? {found[0].upper()}{found[1:]}; "
            f"set data.columns, as in data.columns.{meaning} = {shorten((candidates or columns or ['x'])[0])}"
        )
    return candidates[0]


def _features(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """The names of the classes by column, from the metadata that `datasets` writes."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            column: tuple(str(name) for name in feature["names"])
            for column, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _read(file: Path, name: str, columns: ParquetColumns) -> Iterator[Row]:
    import pyarrow.parquet

    wanted = [columns.image, columns.label, *([columns.group] if columns.group else [])]
    number = 0
    with pyarrow.parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=1000, columns=list(dict.fromkeys(wanted))):
            for values in zip(*(batch.column(column).to_pylist() for column in wanted), strict=True):
                location = f"{file}: row {number}"
                image = values[0]["bytes"] if isinstance(values[0], dict) else values[0]
                group = "" if columns.group is None or values[2] is None else str(values[2]).strip()
                lacking = [
                    what
                    for what, is_there in (
                        ("image", isinstance(image, bytes) and image),
                        ("label", values[1] is not None and str(values[1]).strip()),
                        ("group", group or columns.group is None),
                    )
                    if not is_there
                ]
                if lacking:
                    raise BakeoffError(f"{location} has no {listed(lacking)}; remove it, or complete it")
                yield Row(location, f"{name}:{number}", image, values[1], group)
                number += 1


def _common_names(class_names: dict[Path, tuple[str, ...] | None]) -> Names | None:
    """The class names in the metadata of all files."""
    first = next(iter(class_names))
    for file, names in class_names.items():
        if names != class_names[first]:
            raise BakeoffError(
                f"{first} and {file} have different class names, {shorten(class_names[first])} and "
                f"{shorten(names)}; keep the files of one data set"
            )
    found = class_names[first]
    if found is None:
        return None
    repeated = next((name for name in found if found.count(name) > 1), None)
    if repeated is not None or not all(name.strip() for name in found):
        raise BakeoffError(f"{first}: the class name {shorten(repeated or '')} is empty or listed twice")
    return Names(found, str(first))
