"""The source `splits:DIR`: text files that list the images of each split, one line `PATH LABEL` per image."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.data.sources.listing import ListedImage, Listing, read_class_names, read_lines
from bakeoff.errors import BakeoffError
from bakeoff.text import list_some, shorten

LINE_FORM = "expected PATH LABEL, with one space between"


class Row(NamedTuple):
    """One line of a split file."""

    location: str  # FILE:LINE
    path: str
    label: str


def list_split_files(directory: Path, *, first_line_is_header: bool = False) -> Listing:
    """List the images that `splits/train.txt`, `splits/val.txt` and `splits/test.txt` name.

    A line is `PATH LABEL`: the path, relative to `directory`, may contain spaces; the label is an integer
    0..K-1 or a class name without spaces. `class_names.txt`, if it exists, holds the K names in label order;
    otherwise integer labels are their own names and class names are sorted.

    Parameters
    ----------
    directory
        Contains the folder `splits`.
    first_line_is_header
        Drop the first line of each file, whatever it contains.

    Raises
    ------
    BakeoffError
        If a line is empty or malformed, an image is missing or listed twice, a path is absolute or leads out
        of `directory`, or a label is none of the classes; names file and line.
    """
    files: dict[SplitName, Path] = {name: directory / "splits" / f"{name}.txt" for name in SPLIT_NAMES}
    if not files["train"].is_file():
        hint = f"; did you mean splits:{directory.parent}?" if (directory / "train.txt").is_file() else ""
        raise BakeoffError(
            f"no file {files['train']}; expected splits/train.txt, "
            f"with a line PATH LABEL for each image{hint}",
            "data",
        )
    problems: list[str] = []
    rows = {
        name: _read_rows(file, first_line_is_header, problems)
        for name, file in files.items()
        if file.is_file()
    }
    _find_bad_paths(directory, [row for split in rows.values() for row in split], problems)
    _refuse(problems)
    class_names, label_of = _interpret_labels(directory, [row for split in rows.values() for row in split])
    splits: dict[SplitName, list[ListedImage]] = {
        name: [ListedImage(row.path, label_of(row.label), directory / row.path) for row in split]
        for name, split in rows.items()
    }
    notes = (
        ("The first line of each split file was dropped as a header (data.first_line_is_header).",)
        if first_line_is_header
        else ()
    )
    return Listing(splits, class_names, notes)


def _read_rows(file: Path, first_line_is_header: bool, problems: list[str]) -> list[Row]:
    lines = read_lines(file)
    first = 1 if first_line_is_header else 0
    if len(lines) <= first:
        raise BakeoffError(
            f"{file} lists no image; add lines PATH LABEL, or remove it if it is not train.txt"
        )
    rows = []
    for number, line in enumerate(lines[first:], start=first + 1):
        fields = line.rsplit(maxsplit=1)
        if len(fields) == 2 and fields[0].strip():
            rows.append(Row(f"{file}:{number}", posixpath.normpath(fields[0]), fields[1]))
        else:
            problems.append(f"{file}:{number}: {shorten(line) if fields else 'empty line'}; {LINE_FORM}")
    return rows


def _find_bad_paths(directory: Path, rows: list[Row], problems: list[str]) -> None:
    first_seen: dict[str, str] = {}
    for row in rows:
        if row.path in first_seen:
            problems.append(
                f"{row.location}: {_short(row.path)} is already listed in {first_seen[row.path]}; "
                "list it once"
            )
            continue
        first_seen[row.path] = row.location
        if posixpath.isabs(row.path):
            problems.append(
                f"{row.location}: {_short(row.path)} is absolute; paths are relative to {directory}"
            )
        elif row.path.startswith("../"):
            problems.append(
                f"{row.location}: {_short(row.path)} leads out of {directory}; move the image into it"
            )
        elif not os.path.isfile(directory / row.path):  # noqa: PTH113 - Path raises on names that are too long
            problems.append(f"{row.location}: no file {_short(str(directory / row.path))}")


def _interpret_labels(directory: Path, rows: list[Row]) -> tuple[tuple[str, ...], Callable[[str], int]]:
    """The class names, and the function from a written label to its index."""
    names_file = directory / "class_names.txt"
    integers = [row for row in rows if _is_integer(row.label)]
    if names_file.is_file():
        class_names = read_class_names(names_file)
        index_of = {name: index for index, name in enumerate(class_names)}
        num_classes = len(class_names)
        _refuse(
            [
                f"{row.location}: label {shorten(row.label)} is outside the classes; "
                f"expected 0..{num_classes - 1} or a name of {names_file}"
                for row in rows
                if not (
                    int(row.label) in range(num_classes) if _is_integer(row.label) else row.label in index_of
                )
            ]
        )
        return class_names, lambda label: int(label) if _is_integer(label) else index_of[label]
    if not integers:
        class_names = tuple(sorted({row.label for row in rows}))
        return class_names, class_names.index
    if len(integers) < len(rows):
        name = next(row for row in rows if not _is_integer(row.label))
        raise BakeoffError(
            f"{integers[0].location} has the integer label {integers[0].label}, but {name.location} the name "
            f"{shorten(name.label)}; use only one kind, or write {names_file} with the names in label order"
        )
    used = {int(row.label) for row in integers}
    first_unused = next(label for label in range(len(used) + 1) if label not in used)
    _refuse(
        [
            f"{row.location}: label {row.label} is outside the classes: no image has label {first_unused}, "
            f"and integer labels must be 0..K-1 without gaps (or write {names_file})"
            for row in integers
            if int(row.label) not in range(first_unused)
        ]
    )
    return tuple(str(label) for label in range(first_unused)), int


def _is_integer(label: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,9}", label) is not None


def _short(path: str) -> str:
    return path if len(path) <= 300 else f"{path[:150]}...{path[-100:]}"


def _refuse(problems: list[str]) -> None:
    if len(problems) == 1:
        raise BakeoffError(problems[0])
    if problems:
        raise BakeoffError(
            f"{len(problems)} problems in the split files; correct them:\n{list_some(problems)}"
        )
