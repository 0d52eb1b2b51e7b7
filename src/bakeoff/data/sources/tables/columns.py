"""find_columns(): which column of a table is the image and which the label, and where the images are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from bakeoff.data.sources.tables.image_finder import ImageFinder, find_folder
from bakeoff.data.sources.tables.reading import Row
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings
from bakeoff.text import did_you_mean, shorten

ColumnName = Literal["image", "label", "split", "group"]

NAMES: dict[ColumnName, tuple[str, ...]] = {
    "image": ("image", "file_name"),  # file_name: Hugging Face's metadata
    "label": ("label", "class", "category", "target"),
    "split": ("split",),
    "group": ("group",),
}
"""For each column its names, the first of which counts."""

SAMPLE = 20
"""Number of rows from which the columns and the folder of the images are found."""


class Columns(NamedTuple):
    """What is where in a table.

    Attributes
    ----------
    positions
        Of the columns by their meaning; split and group may be missing.
    rows
        Without the header.
    finder
        Finds the images.
    notes
        What had to be found out.
    """

    positions: Mapping[ColumnName, int]
    rows: list[Row]
    finder: ImageFinder
    notes: list[str]


def find_columns(file: Path, rows: list[Row], settings: DataSettings) -> Columns:
    """Find the columns by `data.columns`, by the header and by what their cells name.

    Without a column called image, it is the one whose cells name files, and the only other column is the
    label. A header whose image and label are swapped, or no header above two columns, is recognized by this.

    Raises
    ------
    BakeoffError
        If a column is missing or cannot be told from others, or no file is found.
    """
    header, data = rows[0].cells, rows[1:]
    chosen = settings.columns or {}
    positions = _named_columns(file, header, chosen)
    sample = [row.cells for row in data[:: max(1, len(data) // SAMPLE)][:SAMPLE]]
    finder, files = _find_folder(file, settings, sample)
    if not files:
        raise BakeoffError(_no_images(file, header, sample, finder, positions.get("image")))
    notes = []
    if finder.folder != _start(file, settings):
        notes.append(f"The images are in the folder {finder.folder.name!r}.")
    if finder.prefix:
        notes.append(f"The beginning of the paths, {shorten(finder.prefix)}, was left out.")
    candidates = _image_columns(files, sample)
    if not positions and any(finder.find(header[position])[0] for position in candidates):
        if len(header) > 2:
            raise BakeoffError(
                f"{rows[0].location}: no header, and {len(header)} columns; "
                "write a first line with the names of the columns, such as image,label,split"
            )
        header, data = ["column 1", "column 2"], rows
        notes.append("The table has no header.")
    image = positions.get("image")
    if image not in candidates and "image" not in chosen:
        if image is not None and "label" not in chosen and candidates == [positions.get("label")]:
            positions["label"] = image  # the header has the two the wrong way round
        else:
            candidates = [position for position in candidates if position not in positions.values()]
        if len(candidates) != 1:
            names = [header[position] for position in candidates or files]
            raise BakeoffError(_ask(file, "image", names, f"the cells of {shorten(names)} name files"))
        image = candidates[0]
    assert image is not None
    positions["image"] = image
    if "label" not in positions:
        others = [p for p, name in enumerate(header) if name and p not in positions.values()]
        if len(others) > 1 and (labels := _one_hot(header, data, others)):
            data = [row._replace(cells=[*row.cells, label]) for row, label in zip(data, labels, strict=True)]
            notes.append("The label of an image is the name of the column in which it has a 1.")
            header, others = [*header, "label"], [len(header)]
        if len(others) != 1:
            names = [header[position] for position in others]
            found = f"there are {shorten(names)}" if names else "there is no other"
            raise BakeoffError(_ask(file, "label", names, f"beside {shorten(header[image])} {found}"))
        positions["label"] = others[0]
    meaning: ColumnName
    for meaning in ("image", "label"):
        name = header[positions[meaning]]
        if meaning not in chosen and name.lower() not in (meaning, "file_name"):
            notes.append(f"The column {name!r} is read as {meaning}.")
    return Columns(positions, data, finder, notes)


def _one_hot(header: list[str], data: list[Row], others: list[int]) -> list[str]:
    """For each row the name of the column that is 1, if that is one of those with only 0 and 1 in them."""
    binary = [p for p in others if all(row.cells[p] in ("0", "1", "0.0", "1.0") for row in data)]
    ones = [[header[p] for p in binary if row.cells[p].startswith("1")] for row in data]
    return [names[0] for names in ones] if all(len(names) == 1 for names in ones) else []


def _ask(file: Path, meaning: str, names: list[str], found: str) -> str:
    example = shorten(names[0] if names else meaning)
    return (
        f"{file}: which column is the {meaning}? {found[0].upper()}{found[1:]}; "
        f"set data.columns, as in data.columns.{meaning} = {example}"
    )


def _named_columns(file: Path, header: list[str], chosen: Mapping[ColumnName, str]) -> dict[ColumnName, int]:
    """The columns that the header names; those of `data.columns` have to be there."""
    lower = [name.lower() for name in header]
    positions: dict[ColumnName, int] = {}
    for meaning, names in NAMES.items():
        if meaning in chosen:
            name = chosen[meaning].strip()
            matches = [p for p, other in enumerate(header) if other == name]
            if len(matches) != 1:
                count = "several columns" if matches else "no column"
                raise BakeoffError(
                    f"{file} has {count} {shorten(name)}, which data.columns.{meaning} names"
                    f"{did_you_mean(name, header)} (columns: {shorten(header)})"
                )
            positions[meaning] = matches[0]
            continue
        for name in names:
            if lower.count(name) > 1:
                raise BakeoffError(f"{file} has several columns {name!r}; rename or remove all but one")
            if name in lower and lower.index(name) not in positions.values():
                positions[meaning] = lower.index(name)
                break
    return positions


def _find_folder(
    file: Path, settings: DataSettings, sample: list[list[str]]
) -> tuple[ImageFinder, dict[int, list[str]]]:
    """The folder that has the images, and by column the files there that the sample names.

    They are in `data.image_folder`, or else in the folder of the table; see `find_folder`.
    """
    start = _start(file, settings)
    if not start.is_dir():
        raise BakeoffError(f"no folder {start}, which data.image_folder names (relative to {file.parent})")
    try:
        return find_folder(
            ImageFinder(start), sample, choose="set data.image_folder to the one that is meant"
        )
    except BakeoffError as error:
        raise BakeoffError(f"{file}: {error}") from error


def _start(file: Path, settings: DataSettings) -> Path:
    """The folder in which paths should begin."""
    if settings.image_folder is None:
        return file.parent
    return file.parent / Path(settings.image_folder).expanduser()


def _image_columns(files: dict[int, list[str]], sample: list[list[str]]) -> list[int]:
    """The columns that may be the image: those with whole file names, if there are any."""
    whole = [
        position
        for position, names in files.items()
        if 2 * sum(cells[position] == name for cells, name in zip(sample, names, strict=True)) >= len(names)
    ]
    return whole or [position for position, names in files.items() if names == next(iter(files.values()))]


def _no_images(
    file: Path, header: list[str], sample: list[list[str]], finder: ImageFinder, image: int | None
) -> str:
    cells = sample[0] if image is None else [sample[0][image]]
    similar = finder.find(cells[0])[1].partition("; there is ")[2]
    there_is = f" (there is {similar})" if similar else ""
    names = " or ".join(shorten(cell, 80) for cell in cells[:4])
    return (
        f"{file}: no file {names} in {finder.folder}{there_is}; "
        "set data.image_folder to the folder of the images (relative to that of the table), and "
        f"data.columns if the image has another column (columns: {shorten(header)})"
    )
