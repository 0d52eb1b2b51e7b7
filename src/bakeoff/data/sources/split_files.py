"""The source `splits:DIR`: text files that list the images of each split, one line `PATH LABEL` per image."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.data.sources.labels import find_names, read_labels
from bakeoff.data.sources.listing import ListedImage, Listing, read_lines
from bakeoff.data.sources.tables.image_finder import ImageFinder
from bakeoff.errors import BakeoffError
from bakeoff.text import list_some, shorten

LINE_FORM = "expected PATH LABEL, with one space between"


class Row(NamedTuple):
    """One line of a split file."""

    location: str  # FILE:LINE
    path: str
    label: str


def list_split_files(
    directory: Path, *, first_line_is_header: bool = False, class_names: tuple[str, ...] | None = None
) -> Listing:
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
    class_names
        Those of `data.class_names`, in label order, used if there is no `class_names.txt`.

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
    rows = _find_images(directory, rows, problems)
    _refuse(problems)
    all_rows = [row for split in rows.values() for row in split]
    names_file = directory / "class_names.txt"
    labels = read_labels(
        [row.label for row in all_rows],
        lambda index: all_rows[index].location,
        find_names(names_file, class_names),
        f"set data.class_names, or write {names_file}, with the names in label order",
    )
    label_of = iter(labels.indices)
    splits: dict[SplitName, list[ListedImage]] = {
        name: [ListedImage(row.path, next(label_of), directory / row.path) for row in split]
        for name, split in rows.items()
    }
    notes = (
        ("The first line of each split file was dropped as a header (data.first_line_is_header).",)
        if first_line_is_header
        else ()
    )
    return Listing(splits, labels.class_names, (*notes, *labels.notes))


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
            path = fields[0].strip('"') if fields[0][0] == fields[0][-1] == '"' else fields[0]
            rows.append(Row(f"{file}:{number}", path, fields[1]))
        else:
            problems.append(f"{file}:{number}: {shorten(line) if fields else 'empty line'}; {LINE_FORM}")
    return rows


def _find_images(
    directory: Path, rows: dict[SplitName, list[Row]], problems: list[str]
) -> dict[SplitName, list[Row]]:
    """The rows with the paths of the files that are meant; each may be listed once."""
    finder = ImageFinder(directory)
    first_seen: dict[str, str] = {}
    found: dict[SplitName, list[Row]] = {}
    for name, split in rows.items():
        found[name] = []
        for row in split:
            path, problem = finder.find(row.path)
            if problem and row.path.endswith((",", ";")):
                problem += f"; if the file is a table, use csv:{row.location.rpartition(':')[0]}"
            elif path in first_seen:
                problem = f"{shorten(path)} is already listed in {first_seen[path]}; list it once"
            if problem:
                problems.append(f"{row.location}: {problem}")
            else:
                first_seen[path] = row.location
                found[name].append(Row(row.location, path, row.label))
    return found


def _refuse(problems: list[str]) -> None:
    if len(problems) == 1:
        raise BakeoffError(problems[0])
    if problems:
        raise BakeoffError(
            f"{len(problems)} problems in the split files; correct them:\n{list_some(problems)}"
        )
