"""Tables of text: CSV with any separator, and JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import NamedTuple

from bakeoff.data.sources.listing import read_lines, read_text, split_lines
from bakeoff.errors import BakeoffError
from bakeoff.text import counted, list_some, shorten

SEPARATORS = (",", "\t", ";", "|")

ROWS_TO_SNIFF = 50

MAX_COLUMNS = 1000


class Row(NamedTuple):
    """A row of a table: where it begins, and the text of each cell without space around it."""

    location: str  # FILE:LINE
    cells: list[str]


def read_table(file: Path) -> list[Row]:
    """Read the rows of a CSV file, or of a JSON Lines file, whose keys become the first row.

    The separator of CSV is a comma, tab, semicolon or bar, or of two columns the last blank. All rows have
    the same number of cells.

    Raises
    ------
    BakeoffError
        If the file cannot be read, is not UTF-8, has fewer than two rows or columns, or a row has another
        number of cells than the first; names file and line.
    """
    rows = _read_json_lines(file) if file.suffix.lower() in (".jsonl", ".ndjson") else _read_csv(file)
    if len(rows) < 2:
        raise BakeoffError(
            f"{file} has {'one row' if rows else 'no row'}; expected a header and a row per image"
        )
    width = len(rows[0].cells)
    problems = [
        f"{row.location}: {counted(len(row.cells), 'cell')}, but the first row has {width}"
        for row in rows
        if len(row.cells) != width
    ]
    if problems:
        raise BakeoffError(
            f"{file}: rows of different length; put text that contains the separator in double quotes:\n"
            f"{list_some(problems)}"
        )
    if width < 2:
        raise BakeoffError(
            f"{file} has only one column, {shorten(rows[0].cells[0])}; expected one for the image and "
            "one for its label, separated by commas, tabs or semicolons (for lines PATH LABEL: splits:DIR)"
        )
    return rows


def _read_csv(file: Path) -> list[Row]:
    text = read_text(file)
    parsed = {
        separator: _parse(file, text, separator, ROWS_TO_SNIFF)
        for separator in SEPARATORS
        if separator in text
    }
    # A separator that occurs inside of cells gives rows of different length.
    even = {
        separator: len(rows[0].cells)
        for separator, rows in parsed.items()
        if rows and len({len(row.cells) for row in rows}) == 1
    }
    if not any(width > 1 for width in even.values()) and (rows := _split_at_blanks(file, text)):
        return rows
    widths = even or {separator: len(rows[0].cells) for separator, rows in parsed.items() if rows}
    separator = max(widths, key=lambda separator: widths[separator], default=",")
    return _parse(file, text, separator)


def _split_at_blanks(file: Path, text: str) -> list[Row]:
    """The rows of lines such as `my cat.png 0`; none if a line has no blank."""
    lines = [(number, line.rsplit(maxsplit=1)) for number, line in enumerate(split_lines(text), start=1)]
    lines = [(number, cells) for number, cells in lines if cells]
    if any(len(cells) < 2 for _, cells in lines):
        return []
    return [Row(f"{file}:{number}", [unquoted(cell) for cell in cells]) for number, cells in lines]


def unquoted(text: str) -> str:
    """A text without blanks around it, and without quotes around that."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _parse(file: Path, text: str, separator: str, most: int | None = None) -> list[Row]:
    """The first rows, or all of them; lines without text are left out."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    rows: list[Row] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(f"{file}:{line}", [cell.strip() for cell in cells]))
            line = reader.line_num + 1
            if len(rows) == most:
                break
    except csv.Error as error:
        if most is None:
            raise BakeoffError(f"{file}:{reader.line_num}: not CSV ({error}); correct the line") from error
    return rows


def _read_json_lines(file: Path) -> list[Row]:
    objects: list[tuple[str, dict[str, object]]] = []
    for number, line in enumerate(read_lines(file), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BakeoffError(f"{file}:{number}: not JSON ({str(error)[:100]}); correct the line") from error
        if not isinstance(value, dict):
            raise BakeoffError(f"{file}:{number}: {shorten(value)}; expected a JSON object per line")
        objects.append((f"{file}:{number}", value))
    keys = list(dict.fromkeys(key for _, value in objects for key in value))
    if len(keys) > MAX_COLUMNS:
        raise BakeoffError(f"{file} has {len(keys):,} different keys; expected at most {MAX_COLUMNS:,}")
    header = Row(str(file), [key.strip() for key in keys])
    return [header, *(Row(place, [_text(value.get(key)) for key in keys]) for place, value in objects)]


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)
