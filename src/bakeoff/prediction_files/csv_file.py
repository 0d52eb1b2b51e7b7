"""Reading predictions from a CSV file: recipe,seed,image,label,prediction and optional columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.table import LONGEST_NAME, PredictionTable, first_bad_probability
from bakeoff.text import counted, list_some, listed, nearest, shorten

COLUMNS = ("recipe", "seed", "image", "label", "prediction")
GROUP = "group"
EXPECTED = ",".join(COLUMNS) + f" and optionally {GROUP} and one column p_CLASS per class"

_ROWS_PER_CHUNK = 500
"""Rows held as text at a time: few enough for the processor's cache, which halves the time of 20,000."""

_SUM_TOLERANCE = 0.01
"""Ten probabilities rounded to three digits are off by up to 0.005."""


_SEPARATORS = {",": "", ";": "semicolons between columns", "\t": "tabs between columns"}
"""How a note calls them; a comma needs none."""

_OTHER_NAMES = {
    "recipe": ("model", "classifier", "method", "algorithm", "architecture"),
    "seed": ("run", "trial", "repetition", "repeat", "random_seed", "random_state"),
    "image": ("file", "filename", "file_name", "path", "image_id", "image_path", "id", "sample"),
    "label": ("y_true", "true", "target", "truth", "ground_truth", "true_label", "actual"),
    "prediction": ("y_pred", "pred", "predicted", "predicted_label", "output"),
}
"""What the columns are called elsewhere, the likeliest first."""

LONGEST_HEADER = 1_000_000
"""Characters of the first line that are searched for a separator."""

_WHOLE_FLOAT = re.compile(r"\.0+\s*$")

_NAN = {"nan", "NaN", "NAN", "<NA>"}
_MISSING = {"NA", "N/A", "null", "NULL", "None"}
"""What tools write for a value that is missing; these can also be names of classes."""


class _Codes(dict[str, int]):
    """Assigns codes to strings in the order of first occurrence; a known string costs one lookup in C."""

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
        If the file is missing, empty, not CSV or not UTF-8, lacks a column, or has an invalid row; names the
        line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            return _read(path, reader, _SEPARATORS[delimiter])
    except OSError as error:
        raise BakeoffError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BakeoffError(
            f"{path}{_first_line_not_utf8(path)} is not UTF-8 text; "
            f"expected a CSV file saved as UTF-8 (in Excel: CSV UTF-8), with the columns {EXPECTED}"
        ) from error


def _delimiter(file: TextIO) -> str:
    """The separator in the first line with text: a comma, or as in Germany or from a spreadsheet."""
    first = next((line for line in iter(lambda: file.readline(LONGEST_HEADER), "") if line.strip()), "")
    file.seek(0)
    return max(_SEPARATORS, key=first.count)


def _read(path: Path, reader: Iterator[list[str]], separators: str) -> PredictionTable:
    chunks = _chunks(path, reader)
    header, _ = next(chunks, (None, None))
    if header is None:
        raise BakeoffError(f"{path} is empty; expected a CSV file with the columns {EXPECTED}")
    names = _lower_case([name.strip() for name in header[0]])
    readings = [separators] if separators else []
    first_chunk = list(islice(chunks, 1))
    if first_chunk and _has_unnamed_index(names, first_chunk[0][0]):
        names.insert(0, "")
        readings.append("its first column, which has no name, as an index")
    chunks = chain(first_chunk, chunks)
    positions = _positions(path, names)
    probability_positions = [position for position, name in enumerate(names) if name.startswith("p_")]
    if len(probability_positions) == 1:
        raise BakeoffError(
            f"{path} has one column of probabilities, {names[probability_positions[0]]}; expected one for "
            "each class. For the probability p of one of two classes, add the column of the other with 1 - p"
        )
    read = [*COLUMNS, GROUP] if GROUP in names else [*COLUMNS]
    codes = {name: _Codes() for name in read}
    columns: dict[str, list[NDArray[np.int32]]] = {name: [] for name in read}
    lines: list[NDArray[np.int32]] = []
    probabilities: list[NDArray[np.float32]] = []
    has_decimal_commas = False
    for rows, chunk_lines in chunks:
        _check_width(path, rows, chunk_lines, len(names))
        texts = list(zip(*rows, strict=True))
        for name in read:
            columns[name].append(codes[name].encode(texts[positions[name]]))
        lines.append(chunk_lines)
        if probability_positions:
            probability_names = [names[position] for position in probability_positions]
            probability_texts = [texts[position] for position in probability_positions]
            probabilities.append(_numbers(path, probability_texts, probability_names, chunk_lines))
            if not has_decimal_commas:
                has_decimal_commas = any("," in "".join(texts) for texts in probability_texts)
    if not lines:
        raise BakeoffError(f"{path} has a header and no rows, so no predictions")
    full_columns = {name: np.concatenate(parts) for name, parts in columns.items()}
    all_lines = np.concatenate(lines)
    for name in read:
        _refuse_bad_names(path, name, codes[name], full_columns[name], all_lines)
    _refuse_missing_values(path, codes, full_columns, all_lines)
    values = np.concatenate(probabilities) if probabilities else None
    if has_decimal_commas:
        readings.append("decimal commas")
    if values is not None and _make_probabilities(path, values, all_lines):
        readings.append("the columns p_ in percent")
    classes, labels, predicted = _merge_classes(codes, full_columns)
    run_names, runs = _merge_runs(path, codes, full_columns, all_lines)
    images, image_column = _strip(codes["image"], full_columns["image"])
    group_names, groups = _strip(codes[GROUP], full_columns[GROUP]) if GROUP in read else (None, None)
    return PredictionTable(
        path=path,
        run_names=run_names,
        image_names=images,
        class_names=classes,
        runs=runs,
        images=image_column,
        labels=labels,
        predicted=predicted,
        probabilities=values,
        declared_classes=tuple(names[position][2:] for position in probability_positions) or None,
        lines=all_lines,
        group_names=group_names,
        groups=groups,
        notes=(f"{path} was read with {listed(readings)}.",) if readings else (),
    )


def _lower_case(names: list[str]) -> list[str]:
    """Write the columns that are read in lower case, unless the file has these too."""
    known = {*COLUMNS, GROUP} - set(names)
    return [name.lower() if name.lower() in known else name for name in names]


def _has_unnamed_index(names: list[str], rows: list[list[str]]) -> bool:
    """Whether each row begins with its number, which has no name in the header, as R and pandas can write."""
    if any(len(row) != len(names) + 1 for row in rows):
        return False
    numbers = [row[0] for row in rows]
    return any(numbers == [str(first + row) for row in range(len(rows))] for first in (0, 1))


def _chunks(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[list[list[str]], NDArray[np.int32]]]:
    """Yield the header, then rows in chunks, each with their line numbers; blank lines are left out."""
    line, size = 1, 1
    while True:
        try:
            rows = list(islice(reader, size))
        except csv.Error as error:
            line_number: int = reader.line_num  # type: ignore[attr-defined]
            raise BakeoffError(
                f"{path} line {line_number} is not CSV ({error}); "
                f"expected a CSV file with the columns {EXPECTED}"
            ) from error
        if not rows:
            return
        after: int = reader.line_num + 1  # type: ignore[attr-defined]
        if after - line == len(rows):
            lines = np.arange(line, after, dtype=np.int32)
        else:
            # Quoted fields contain line breaks: count them.
            heights = [1 + sum(text.count("\n") for text in row) for row in rows]
            lines = (line + np.cumsum([0, *heights[:-1]])).astype(np.int32)
        line = after
        if not all(rows):
            lines = lines[[bool(row) for row in rows]]
            rows = [row for row in rows if row]
        if rows:
            yield rows, lines
            size = _ROWS_PER_CHUNK


def _positions(path: Path, names: list[str]) -> dict[str, int]:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if repeated:
        raise BakeoffError(
            f"{path} line 1 has the column {shorten(repeated[0])} more than once; expected {EXPECTED}"
        )
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        header = ", ".join(names)
        header = header if len(header) <= 120 else header[:120] + "..."
        others = [name[:LONGEST_NAME] for name in names if name not in COLUMNS]
        problems = [_remedy(name, others) for name in missing]
        raise BakeoffError(
            f"{path} line 1 is not the header of a predictions file:\n{list_some(problems)}\n"
            f"found {header!r}, expected {EXPECTED}"
        )
    longest = max(names, key=len)
    if len(longest) > LONGEST_NAME:
        raise BakeoffError(
            f"{path} line 1 has a column whose name has {len(longest):,} characters; "
            f"expected {LONGEST_NAME} at most"
        )
    return {name: names.index(name) for name in (*COLUMNS, GROUP) if name in names}


def _remedy(name: str, others: list[str]) -> str:
    """What to do about a column that is missing, given those that are read as nothing."""
    by_lower_case = {other.lower(): other for other in reversed(others)}
    meant = next((by_lower_case[word] for word in _OTHER_NAMES[name] if word in by_lower_case), None)
    meant = meant or nearest(name, others)
    if meant:
        return f"no column {name!r}; rename {meant!r} to {name!r} if that is what it contains"
    if name == "seed":
        return "no column 'seed'; add one, with 0 in each row if each recipe has one run"
    return f"no column {name!r}"


def _check_width(path: Path, rows: list[list[str]], lines: NDArray[np.int32], width: int) -> None:
    if set(map(len, rows)) != {width}:
        bad = [
            f"{path} line {line}: {counted(len(row), 'field')}"
            for row, line in zip(rows, lines, strict=True)
            if len(row) != width
        ]
        raise BakeoffError(f"rows without the {width} fields of the header:\n{list_some(bad)}")


def _numbers(
    path: Path,
    texts: list[tuple[str, ...]],
    names: list[str],
    lines: NDArray[np.int32],
) -> NDArray[np.float32]:
    values = np.empty((len(lines), len(texts)), dtype=np.float32)
    for column, (text, name) in enumerate(zip(texts, names, strict=True)):
        try:
            with np.errstate(over="ignore"):  # infinite values are reported by _make_probabilities
                try:
                    numbers = np.fromiter(map(float, text), np.float32, len(text))
                except ValueError:
                    numbers = np.fromiter(map(_float, text), np.float32, len(text))
        except ValueError:
            row = next(row for row, value in enumerate(text) if not _is_number(value))
            raise BakeoffError(
                f"{path} line {lines[row]}: {name} is {shorten(text[row])}, expected a probability in 0..1"
            ) from None
        values[:, column] = numbers
    return values


def _float(text: str) -> float:
    """A number that may have a decimal comma or a percent sign."""
    return float(text.replace(",", ".", 1).strip().removesuffix("%"))


def _make_probabilities(path: Path, values: NDArray[np.float32], lines: NDArray[np.int32]) -> bool:
    """Let each row sum to 1, in place; return whether they were percent."""
    percent = first_bad_probability(values, _SUM_TOLERANCE, total=100) is None
    if percent:
        values /= 100
    bad = first_bad_probability(values, _SUM_TOLERANCE)
    if bad is not None:
        raise BakeoffError(f"{path} line {lines[bad[0]]}: {bad[1]}")
    values /= values.sum(axis=1, keepdims=True)
    return percent


def _is_number(text: str) -> bool:
    try:
        _float(text)
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


def _refuse_missing_values(
    path: Path, codes: dict[str, _Codes], columns: dict[str, NDArray[np.int32]], lines: NDArray[np.int32]
) -> None:
    """Refuse labels and predictions that a tool wrote for a value it did not have."""
    labels = {text.strip() for text in codes["label"]}
    for name, words in (("label", _NAN), ("prediction", _NAN | _MISSING - labels)):
        for text, code in codes[name].items():
            if text.strip() in words:
                line = lines[int((columns[name] == code).argmax())]
                raise BakeoffError(
                    f"{path} line {line}: the {name} is {text.strip()!r}, a missing value; "
                    f"each row needs a {name}"
                )


def _strip(codes: _Codes, column: NDArray[np.int32]) -> tuple[list[str], NDArray[np.int32]]:
    """Strip the strings; those that are then equal get the same code."""
    stripped = _Codes()
    mapping = stripped.encode(tuple(text.strip() for text in codes))
    return list(stripped), mapping[column]


def _merge_classes(
    codes: dict[str, _Codes], columns: dict[str, NDArray[np.int32]]
) -> tuple[list[str], NDArray[np.int32], NDArray[np.int32]]:
    """Give labels and predictions common codes of the classes."""
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
            seeds.append(int(_WHOLE_FLOAT.sub("", text)))
        except ValueError:
            line = lines[int((columns["seed"] == code).argmax())]
            raise BakeoffError(f"{path} line {line}: seed is {shorten(text)}, expected an integer") from None
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
