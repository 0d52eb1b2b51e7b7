"""Files that are complete or absent, and text in them that nothing executes: CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from bakeoff.errors import BakeoffError

RESUME = "free some space or choose another folder (what was finished is intact)"


@contextmanager
def open_atomically(path: Path, remedy: str = RESUME) -> Iterator[IO[bytes]]:
    """A file to write under a temporary name; at the end it is flushed to the disk and given its name.

    If anything is raised before, nothing is left under either name.

    Parameters
    ----------
    path
        Its name at the end; its folder is made where it is missing.
    remedy
        What a user can do where it cannot be written.

    Raises
    ------
    BakeoffError
        If the disk is full or the folder cannot be written.
    """
    if path.is_dir():
        raise BakeoffError(f"cannot write {path}: it is a folder; expected the name of a file")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise BakeoffError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error
    finally:
        # Its folder may not be one; and a read-only disk refuses before it looks.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under a temporary name, flush it to the disk, then give it its name.

    Raises
    ------
    BakeoffError
        As `open_atomically`.
    """
    with open_atomically(path) as file:
        write(file)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, complete or not at all."""
    write_atomically(path, lambda file: file.write(text.encode()))


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write a table as CSV; None is an empty cell.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    write_rows(text, [columns])
    write_rows(text, rows)
    return text.getvalue()


def write_rows(file: TextIO, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows to a text file that was opened with `newline=""`, as `to_csv` does."""
    csv.writer(file, lineterminator="\n").writerows([_safe(cell) for cell in row] for row in rows)


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def to_json(value: object) -> str:
    """JSON without NaN, indented, with a list of plain values on one line."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    # A raw line break is never inside a string, so this meets lists only.
    return re.sub(r"\[\n[^][{}]*\]", lambda found: re.sub(r"\n\s*", " ", found[0]), text) + "\n"
