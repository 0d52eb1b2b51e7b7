"""files.json: size and SHA-256 of the files in a folder, recorded when written, compared before use."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import BaseModel, ConfigDict, TypeAdapter

from bakeoff.errors import BakeoffError
from bakeoff.files import cannot_write, open_atomically, open_regular, read_bytes, to_json, write_text
from bakeoff.store.layout import MANIFEST, MARKS

Write = Callable[[IO[bytes]], object]
"""Writes the content of a file."""


class Digest(BaseModel):
    """What is recorded of a file: its size in bytes, and its SHA-256 in hexadecimal."""

    model_config = ConfigDict(strict=True)

    size: int
    sha256: str


MISSING = "is missing"

Manifest = dict[str, Digest]
"""By the path of a file below the folder, with `/`."""

_STORED = TypeAdapter(Manifest | list[str])
"""An older version wrote the names of a report's files only."""


def read_manifest(folder: Path) -> Manifest:
    """Read what is recorded of the files in a folder; empty if an older version wrote them.

    Raises
    ------
    BakeoffError
        If the record is damaged.
    """
    try:
        manifest = _STORED.validate_json(read_bytes(folder / MANIFEST))
        if isinstance(manifest, list):
            return {}
        if any(".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute() for name in manifest):
            raise ValueError("a path leads out of the folder")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            raise  # says which name
        raise BakeoffError(f"{folder / MANIFEST} is damaged; remove it and run the study again") from error
    return manifest


def manifest_text(manifest: Manifest) -> str:
    """The content of files.json."""
    return to_json({name: digest.model_dump() for name, digest in sorted(manifest.items())})


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    write_text(folder / MANIFEST, manifest_text(manifest))


def digest_of(file: IO[bytes]) -> Digest:
    """The digest of an open file, which is read from its beginning."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return Digest(size=size, sha256=hashlib.file_digest(file, "sha256").hexdigest())  # type: ignore[arg-type]


def write_recorded(files: Mapping[Path, Write]) -> None:
    """Write files of one folder, each completely or not at all, and record their digests.

    Their earlier digests are removed first: if the process is killed in between, files have no digest, but
    never that of other bytes.

    Raises
    ------
    BakeoffError
        If a file cannot be written, or the record is damaged.
    """
    folder = next(iter(files)).parent
    recorded = read_manifest(folder)
    others = {name: digest for name, digest in recorded.items() if folder / name not in files}
    if others != recorded:
        _write_manifest(folder, others)
    digests = {path.name: _write(path, write) for path, write in files.items()}
    _write_manifest(folder, others | digests)


def write_marked(files: Mapping[Path, Write], remove: Sequence[Path] = ()) -> None:
    """Write the files of a run; the last one marks that all are complete, and is put in place last.

    Their digests are recorded just before: a run has its mark and all digests, or it has no mark.

    Parameters
    ----------
    files
        How to write each file.
    remove
        Files of an earlier attempt to remove.

    Raises
    ------
    BakeoffError
        If a file cannot be written.
    """
    *others, mark = files
    try:
        for path in (mark, *remove):  # the mark first: the files of an earlier attempt are now replaced
            path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(mark, error) from error
    digests = {path.name: _write(path, files[path]) for path in others}
    with open_atomically(mark) as file:
        files[mark](file)
        _write_manifest(mark.parent, digests | {mark.name: digest_of(file)})


def _write(path: Path, write: Write) -> Digest:
    with open_atomically(path) as file:
        write(file)
        return digest_of(file)


def compare_files(folder: Path, read: Collection[str] | None = None) -> dict[str, str]:
    """Compare the files in a folder with what is recorded of them.

    Parameters
    ----------
    folder
        Of a study, a run or a report.
    read
        The files to read; of the others only the size is compared. By default all.

    Returns
    -------
    By file name, how it differs ("is missing", "has changed"), or "" if it does not. Empty if nothing is
    recorded, or if the run is not finished.
    """
    differences = _compare_files(folder, read)
    # Again, because another process may just have been replacing these files.
    return _compare_files(folder, read) if any(differences.values()) else differences


def _compare_files(folder: Path, read: Collection[str] | None) -> dict[str, str]:
    try:
        manifest = read_manifest(folder)
    except BakeoffError:
        return {MANIFEST: "is damaged"}
    if _lost_marks(folder, manifest):
        return {}
    return {
        name: _difference(folder / name, digest, read is None or name in read)
        for name, digest in manifest.items()
    }


def lost_marks(folder: Path) -> list[str]:
    """The recorded last file of a run, if it is not there: removed, or not put in place before a kill."""
    try:
        return _lost_marks(folder, read_manifest(folder))
    except BakeoffError:
        return []


def _lost_marks(folder: Path, manifest: Manifest) -> list[str]:
    marks = [name for name in MARKS if name in manifest]
    return [] if any((folder / name).exists() for name in marks) else marks


def _difference(path: Path, recorded: Digest, read: bool) -> str:
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size != recorded.size:
                now = f"has {size:,} bytes" if size else "is empty"
                return f"{now}, expected {recorded.size:,} bytes"
            return "has changed since it was written" if read and digest_of(file) != recorded else ""
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
