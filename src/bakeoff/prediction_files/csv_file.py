"""Reading predictions from a CSV file: recipe,seed,image,label,prediction and optionally p_CLASS columns."""

from __future__ import annotations

import csv
import difflib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.table import LONGEST_NAME, PredictionTable, first_bad_probability
from bakeoff.text import list_some, shorten

COLUMNS = ("recipe", "seed", "image", "label", "prediction")
EXPECTED = ",".join(COLUMNS) + " and optionally one column p_CLASS a class"

_ROWS_AT_ONCE = 500
"""Rows held as text at a time: few enough for the processor's cache, which halves the time of 20,000."""

_SUM_TOLERANCE = 0.01
"""Ten probabilities rounded to three digits are off by up to 0.005."""


class _Codes(dict[str, int]):
    """Numbers texts in the order they first occur; a text seen before costs one look-up in C."""

    def __missing__(self, text: str) -> int:
        self[text] = code = len(self)
        return code

    def encode(self, column: tuple[str, ...]) -> NDArray[np.int32]:
        return np.fromiter(map(self.__getitem__, column), np.int32, len(column))


def read_csv(path: Path) -> PredictionTable:
    """Read one CSV file of predictions.

    Raises
    ------
    BakeoffError
        The file is missing, empty, no CSV, not UTF-8, lacks a column, or has a row that cannot be read: names
        the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(path, csv.reader(file, strict=True))
    except OSError as error:
        raise BakeoffError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BakeoffError(
            f"{path}{_first_line_not_utf8(path)} is not UTF-8 text; "
            f"expected a CSV file with the columns {EXPECTED}"
        ) from error


def _read(path: Path, reader: Iterator[list[str]]) -> PredictionTable:
    chunks = _chunks(path, reader)
    header, _ = next(chunks, (None, None))
    if header is None:
        raise BakeoffError(f"{path} is empty; expected a CSV file with the columns {EXPECTED}")
    names = [name.strip() for name in header[0]]
    positions = _positions(path, names)
    probability_at = [place for place, name in enumerate(names) if name.startswith("p_")]
    codes = {name: _Codes() for name in COLUMNS}
    columns: dict[str, list[NDArray[np.int32]]] = {name: [] for name in COLUMNS}
    lines: list[NDArray[np.int32]] = []
    probabilities: list[NDArray[np.float32]] = []
    for rows, chunk_lines in chunks:
        _check_width(path, rows, chunk_lines, len(names))
        texts = list(zip(*rows, strict=True))
        for name in COLUMNS:
            columns[name].append(codes[name].encode(texts[positions[name]]))
        lines.append(chunk_lines)
        if probability_at:
            probabilities.append(
                _probabilities(
                    path, [texts[place] for place in probability_at], names, probability_at, chunk_lines
                )
            )
    if not lines:
        raise BakeoffError(f"{path} has a header and no rows: no recipe predicts anything in it")
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    all_lines = np.concatenate(lines)
    for name in COLUMNS:
        _refuse_bad_names(path, name, codes[name], whole[name], all_lines)
    classes, labels, predicted = _merge_classes(codes, whole)
    run_names, runs = _merge_runs(path, codes, whole, all_lines)
    images, image_column = _strip(codes["image"], whole["image"])
    return PredictionTable(
        path=path,
        run_names=run_names,
        image_names=images,
        class_names=classes,
        runs=runs,
        images=image_column,
        labels=labels,
        predicted=predicted,
        probabilities=np.concatenate(probabilities) if probabilities else None,
        declared_classes=tuple(names[place][2:] for place in probability_at) or None,
        lines=all_lines,
    )


def _chunks(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[list[list[str]], NDArray[np.int32]]]:
    """Yield the header, then rows by the thousand, each with their lines; blank lines are left out."""
    line, size = 1, 1
    while True:
        try:
            rows = list(islice(reader, size))
        except csv.Error as error:
            found: int = reader.line_num  # type: ignore[attr-defined]
            raise BakeoffError(
                f"{path} line {found} is not CSV ({error}); expected a CSV file with the columns {EXPECTED}"
            ) from error
        if not rows:
            return
        after: int = reader.line_num + 1  # type: ignore[attr-defined]
        if after - line == len(rows):
            lines = np.arange(line, after, dtype=np.int32)
        else:
            # A quoted text holds line ends: count them.
            heights = [1 + sum(text.count("\n") for text in row) for row in rows]
            lines = (line + np.cumsum([0, *heights[:-1]])).astype(np.int32)
        line = after
        if not all(rows):
            lines = lines[[bool(row) for row in rows]]
            rows = [row for row in rows if row]
        if rows:
            yield rows, lines
            size = _ROWS_AT_ONCE


def _positions(path: Path, names: list[str]) -> dict[str, int]:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BakeoffError(
            f"{path} line 1 has the column {shorten(twice[0])} more than once; expected {EXPECTED}"
        )
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        joined = ", ".join(names)
        found = joined if len(joined) <= 120 else joined[:120] + "..."
        hints = []
        for name in missing:
            nearest = difflib.get_close_matches(name, [other for other in names if other not in COLUMNS], 1)
            hint = f"; did you mean {nearest[0][:100]!r}? rename it" if nearest else ""
            hints.append(f"no column {name!r}{hint}")
        if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
            hints.append("the columns are to be separated by commas")
        raise BakeoffError(
            f"{path} line 1 is not the header of a predictions file:\n{list_some(hints)}\n"
            f"found {found!r}, expected {EXPECTED}"
        )
    longest = max(names, key=len)
    if len(longest) > LONGEST_NAME:
        raise BakeoffError(
            f"{path} line 1 has a column whose name has {len(longest):,} characters; "
            f"expected {LONGEST_NAME} at most"
        )
    return {name: names.index(name) for name in COLUMNS}


def _check_width(path: Path, rows: list[list[str]], lines: NDArray[np.int32], width: int) -> None:
    if set(map(len, rows)) != {width}:
        bad = [
            f"{path} line {line}: {len(row)} fields"
            for row, line in zip(rows, lines, strict=True)
            if len(row) != width
        ]
        raise BakeoffError(f"rows of another length than the header's {width} columns:\n{list_some(bad)}")


def _probabilities(
    path: Path,
    texts: list[tuple[str, ...]],
    names: list[str],
    places: list[int],
    lines: NDArray[np.int32],
) -> NDArray[np.float32]:
    values = np.empty((len(lines), len(texts)), dtype=np.float32)
    for column, (text, place) in enumerate(zip(texts, places, strict=True)):
        try:
            with np.errstate(over="ignore"):  # infinite is told below
                values[:, column] = np.fromiter(map(float, text), np.float32, len(text))
        except ValueError:
            row = next(row for row, value in enumerate(text) if not _is_number(value))
            raise BakeoffError(
                f"{path} line {lines[row]}: {names[place]} is {shorten(text[row])}, "
                "expected a probability in 0..1"
            ) from None
    bad = first_bad_probability(values, _SUM_TOLERANCE)
    if bad is not None:
        raise BakeoffError(
            f"{path} line {lines[bad[0]]}: {bad[1]}; expected p_ columns in 0..1 that sum to 1 in each row"
        )
    values /= values.sum(axis=1, keepdims=True)
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_bad_names(
    path: Path, name: str, codes: _Codes, column: NDArray[np.int32], lines: NDArray[np.int32]
) -> None:
    for text, code in codes.items():
        if not text.strip():
            line = lines[int((column == code).argmax())]
            raise BakeoffError(f"{path} line {line}: the column {name!r} is empty; each row needs a {name}")
        if len(text) > LONGEST_NAME:
            line = lines[int((column == code).argmax())]
            raise BakeoffError(
                f"{path} line {line}: the {name} has {len(text):,} characters; "
                f"expected {LONGEST_NAME} at most"
            )


def _strip(codes: _Codes, column: NDArray[np.int32]) -> tuple[list[str], NDArray[np.int32]]:
    """Take blanks around the texts away; texts that are then the same get one code."""
    stripped = _Codes()
    mapping = stripped.encode(tuple(text.strip() for text in codes))
    return list(stripped), mapping[column]


def _merge_classes(
    codes: dict[str, _Codes], columns: dict[str, NDArray[np.int32]]
) -> tuple[list[str], NDArray[np.int32], NDArray[np.int32]]:
    """Labels and predictions are texts of one kind: give them one list."""
    merged = _Codes()
    mappings = [
        merged.encode(tuple(text.strip() for text in codes[name])) for name in ("label", "prediction")
    ]
    return list(merged), mappings[0][columns["label"]], mappings[1][columns["prediction"]]


def _merge_runs(
    path: Path,
    codes: dict[str, _Codes],
    columns: dict[str, NDArray[np.int32]],
    lines: NDArray[np.int32],
) -> tuple[list[tuple[str, int]], NDArray[np.int32]]:
    seeds = []
    for text, code in codes["seed"].items():
        try:
            seeds.append(int(text))
        except ValueError:
            line = lines[int((columns["seed"] == code).argmax())]
            raise BakeoffError(
                f"{path} line {line}: seed is {shorten(text)}, expected a whole number"
            ) from None
    recipes, recipe_column = _strip(codes["recipe"], columns["recipe"])
    pairs, runs = np.unique(
        recipe_column.astype(np.int64) * len(seeds) + columns["seed"], return_inverse=True
    )
    names = [(recipes[pair // len(seeds)], seeds[pair % len(seeds)]) for pair in pairs.tolist()]
    return names, runs.astype(np.int32)


def _first_line_not_utf8(path: Path) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f" line {number}"
    return ""
