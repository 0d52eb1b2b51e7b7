"""Checksums of the files of a cache entry: whether they are still what was written.

The images, which can be larger than the memory, are checked by size, time of modification and a sample of
blocks; in full if the time differs. The other files, which are small, are always checked in full. So a change
of images goes unnoticed only if it is in none of the blocks and left the time as it was, which
`find_damage(in_full=True)` detects.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from bakeoff.files import open_regular, read_text

CHECKSUMS = "checksums.json"

BLOCKS, BLOCK_BYTES = 64, 4096
"""The sample: this many blocks, spread evenly over the file, the first and the last included."""


def write_checksums(directory: Path, names: Sequence[str], fingerprint: str) -> None:
    """Record size, time of modification and checksums of these files, which are on disk already.

    The data's fingerprint is written beside them, so that an entry is found by it even if others are damaged.
    """
    content = {"fingerprint": fingerprint, **{name: _describe(directory / name) for name in names}}
    (directory / CHECKSUMS).write_text(json.dumps(content, indent=1), encoding="utf-8")


def find_damage(directory: Path, names: Sequence[str], *, in_full: bool = False) -> list[str]:
    """Find the files that are not as they were written.

    If images differ only in their time of modification, it is set back to the recorded one, so that they are
    read in full only once.

    Parameters
    ----------
    directory
        Where `write_checksums` recorded these files.
    names
        The files.
    in_full
        Check the images in full too.

    Returns
    -------
    For each file that differs, its path and what was found.
    """
    try:
        recorded = json.loads(read_text(directory / CHECKSUMS))
        problems = {name: _difference(directory / name, recorded[name], in_full) for name in names}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return [f"{directory / CHECKSUMS}: {getattr(error, 'strerror', None) or 'not readable'}"]
    return [f"{directory / name}: {problem}" for name, problem in problems.items() if problem]


def _difference(path: Path, recorded: dict[str, Any], in_full: bool) -> str | None:
    """How a file differs from what was recorded, or None."""
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            if status.st_size != recorded["bytes"]:
                return f"{status.st_size:,} bytes, expected {recorded['bytes']:,}"
            is_dated = status.st_mtime_ns == recorded["modified_ns"]
            if is_dated and not in_full and path.name.endswith("_images.npy"):
                is_same = _sample(file, status.st_size) == recorded["sample_sha256"]
            else:
                is_same = _sha256(file) == recorded["sha256"]
    except OSError as error:
        return error.strerror or str(error)
    if not is_same:
        return "its content is not what was written (SHA-256)"
    if not is_dated:
        with suppress(OSError):  # another user's
            os.utime(path, ns=(status.st_atime_ns, recorded["modified_ns"]))
    return None


def _describe(path: Path) -> dict[str, Any]:
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
        return {
            "bytes": status.st_size,
            "modified_ns": status.st_mtime_ns,
            "sha256": _sha256(file),
            "sample_sha256": _sample(file, status.st_size),
        }


def _sha256(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _sample(file: BufferedReader, size: int) -> str:
    digest = hashlib.sha256()
    for number in range(BLOCKS):
        file.seek(number * max(0, size - BLOCK_BYTES) // (BLOCKS - 1))
        digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()
