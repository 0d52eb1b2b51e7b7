"""Files that are written completely or not at all; CSV and JSON."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    import numpy as np

FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def cannot_write(
    path: Path,
    error: OSError,
    parameter: str | None = None,
    *,
    act: str = "write",
    otherwise: str = "choose another folder",
) -> BakeoffError:
    """The error for a file or folder that cannot be written: why, and what can be done about that."""
    remedy = otherwise
    if error.errno in FULL:
        remedy = f"free some space or {otherwise} (what was finished is intact)"
    elif error.errno in FORBIDDEN:
        remedy = f"get the permission to write there or {otherwise}"
    return BakeoffError(f"cannot {act} {path}: {error.strerror or error}; {remedy}", parameter)


@contextmanager
def open_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a file under a temporary name; at the end, flush it to disk and rename it to `path`.

    It can be read, too. If an exception is raised before, neither file is left.

    Parameters
    ----------
    path
        The final name; missing folders are created.

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
        with temporary.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        # The parent may not be a folder; a read-only disk raises even where there is no file.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def final_name(name: str) -> str:
    """The name that a file has in the end: `data.json` for `.data.json.123.tmp`, otherwise the same name."""
    temporary = re.fullmatch(r"\.(.+)\.\d+\.tmp", name)
    return temporary[1] if temporary else name


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all."""
    write_bytes(path, text.encode())


def write_new_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 that does not exist yet.

    Raises
    ------
    BakeoffError
        If it exists; it stays as it is.
    """
    if path.exists() or path.is_symlink():
        raise BakeoffError(f"{path} exists, and was not changed; rename or remove it first")
    write_text(path, text)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, completely or not at all."""
    with open_atomically(path) as file:
        file.write(content)


def check_replaceable(path: Path, start: str, parameter: str | None = None) -> None:
    """Require that a file to be written is in a folder and replaces only its own earlier version.

    Parameters
    ----------
    path
        That does not exist, is empty or begins like what will be written.
    start
        What it begins with, such as the line with the names of columns.
    parameter
        For the message, as `BakeoffError` has it.

    Raises
    ------
    BakeoffError
        If it is another file, which stays as it is, or its folder is missing.
    """
    if not path.parent.is_dir():  # rather misspelt than to be created
        raise BakeoffError(
            f"cannot write {path}: there is no folder {path.parent}; create it first, or choose another file",
            parameter,
        )
    if path.is_dir() or not path.exists():  # `open_atomically` tells of folders
        return
    try:
        with open_regular(path) as file:
            found = file.read(len(start.encode()))
    except OSError as error:
        raise BakeoffError(
            f"cannot replace {path}: {error.strerror or error}; choose another file"
        ) from error
    if found and found != start.encode():
        raise BakeoffError(
            f"{path} exists with other content, and was not changed; choose another file, or remove it first",
            parameter,
        )


def check_free(directory: Path) -> None:
    """Require an output folder that is empty or does not exist.

    Raises
    ------
    BakeoffError
        If it is neither.
    """
    if directory.is_dir():
        if any(directory.iterdir()):
            raise BakeoffError(f"{directory} is not empty; choose a folder that is empty or does not exist")
    elif os.path.lexists(directory):
        raise BakeoffError(f"{directory} is a file; choose a folder that is empty or does not exist")


@contextmanager
def new_folder(directory: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `directory`, which becomes it at the end: complete or absent.

    Raises
    ------
    BakeoffError
        If it cannot be written, or is not empty.
    """
    target = directory.absolute()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        if target.is_dir():
            target.rmdir()  # empty, or this fails
        temporary.rename(target)
    except OSError as error:
        raise cannot_write(directory, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_current_folder() -> None:
    """Check that the current folder exists, which processes and libraries that start in it rely on.

    Raises
    ------
    BakeoffError
        If it was deleted.
    """
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise BakeoffError("the current folder was deleted; change to another folder") from error


MAX_BYTES = 64 << 20
"""Of a file of text: that of a study of 100,000 runs has half of this."""


# Without O_NONBLOCK, opening a pipe waits for a writer.
_TO_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file to read; a pipe or a device, which may have no end, is refused at once.

    Raises
    ------
    OSError
        If there is none, it cannot be read, or it is not a regular file.
    """
    return os.fdopen(_open_descriptor(path)[0], "rb")


def read_bytes(path: Path | str, limit: int = MAX_BYTES) -> bytes:
    """Read a regular file of at most so many bytes.

    Raises
    ------
    OSError
        If it cannot be read, is not a regular file, or is larger.
    """
    descriptor, size = _open_descriptor(path)
    try:
        if size > limit:
            raise OSError(errno.EFBIG, f"{size:,} bytes, expected {limit:,} at most", str(path))
        # Without a file object, which costs more than a small image. A large file may come in parts; Python
        # allocates what it is asked for, and a limit may exceed the memory.
        content = os.read(descriptor, size)
        while len(content) < size and (part := os.read(descriptor, size - len(content))):
            content += part
        return content
    finally:
        os.close(descriptor)


def _open_descriptor(path: Path | str) -> tuple[int, int]:
    """A descriptor to read a regular file, and its size in bytes."""
    descriptor = os.open(path, _TO_READ)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor, status.st_size


def read_npy_header(content: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and type of an array in NumPy's format, before memory for its numbers is allocated."""
    import numpy as np  # not by every command that writes a file

    old = np.lib.format.read_magic(content) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(content)
    return shape, dtype


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Read a regular text file in UTF-8; see `read_bytes`. Raises ValueError if it is not UTF-8."""
    return read_bytes(path, limit).decode("utf-8")


def read_json(path: Path) -> Any:
    """The content of a regular JSON file; raises ValueError, with its name, if it is damaged, and OSError."""
    try:
        return json.loads(read_text(path))
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{path.name} is not JSON: {str(error)[:200]}") from error


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Format a table as CSV; None and numbers that are not finite are empty cells.

    Text that a spreadsheet would evaluate as a formula is prefixed with an apostrophe.
    """
    text = io.StringIO(newline="")
    write_rows(text, [columns])
    write_rows(text, rows)
    return text.getvalue()


def write_rows(file: TextIO, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows to a text file that was opened with `newline=""`, as `to_csv` does."""
    csv.writer(file, lineterminator="\n").writerows([_safe(cell) for cell in row] for row in rows)


def _safe(cell: Any) -> Any:
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def to_json(value: object) -> str:
    """Format a value as JSON without NaN, indented, with lists of plain values on one line."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    # JSON strings hold no raw line breaks, so this matches lists only.
    return re.sub(r"\[\n[^][{}]*\]", lambda match: re.sub(r"\n\s*", " ", match[0]), text) + "\n"


def jsonable(value: Any) -> Any:
    """Convert a value to dicts, lists and Python's own numbers, as JSON has them.

    Data classes become dicts of their fields, arrays become lists; numbers that are not finite become None.
    """
    if is_dataclass(value):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):  # an array of NumPy, or one of its numbers
        return jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
