"""The cache: decoded data sets on disk, as memory-mapped arrays that processes share."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bakeoff.data.cache_entry import (
    META,
    Decode,
    ImageShape,
    check_entry,
    flush_to_disk,
    open_entry,
    write_entry,
)
from bakeoff.data.checksums import CHECKSUMS
from bakeoff.data.image_data import ImageData
from bakeoff.data.sources.listing import Listing
from bakeoff.errors import BakeoffError
from bakeoff.files import cannot_write

if sys.platform != "win32":
    import fcntl

SECONDS_BEFORE_ABANDONED = 24 * 3600
DAYS_UNUSED = 30
"""Entries that were not used for this long are removed when another is written."""


def cache_directory() -> Path:
    """BAKEOFF_CACHE, or `bakeoff` in XDG_CACHE_HOME, or ~/.cache/bakeoff.

    Raises
    ------
    BakeoffError
        If this user has no home folder, and neither variable names another.
    """
    try:
        if directory := os.environ.get("BAKEOFF_CACHE"):
            return Path(directory).expanduser().absolute()
        if cache_home := os.environ.get("XDG_CACHE_HOME"):
            return Path(cache_home).absolute() / "bakeoff"
        return Path.home() / ".cache" / "bakeoff"
    except RuntimeError as error:
        raise BakeoffError(
            "there is no home folder to keep decoded images in; "
            "set the environment variable BAKEOFF_CACHE to a writable folder"
        ) from error


def open_image_data(directory: Path, *, with_test: bool = True) -> ImageData:
    """Open a data set in the cache: images memory-mapped and read-only, labels in memory.

    Parameters
    ----------
    directory
        `ImageData.directory` of what `load_data` returned.
    with_test
        Whether to open the test images, which trials do without; see `ImageData.has_test`.

    Raises
    ------
    BakeoffError
        If one of its files is missing or was changed.
    """
    keep_in_cache(directory)
    data = open_entry(directory, with_test=with_test)
    if data is None:
        raise BakeoffError(
            f"the decoded images in {directory} are missing or damaged; "
            "load the data again (run the study again) to decode them"
        )
    return data


def open_or_create(key: str, listing: Listing, shape: ImageShape, source: str, decode: Decode) -> ImageData:
    """Open the data set under `key`; if it is missing or damaged, decode it into the cache first.

    A new entry is written under a temporary name and renamed, so that it is complete or absent, and several
    processes that decode the same images all end with a complete entry. Where another user's entry cannot be
    read, or is damaged and cannot be replaced, this user gets one beside it.

    Parameters
    ----------
    key
        Digest of everything that determines the pixels, labels and ids.
    listing
        With all three splits.
    shape
        Of the images.
    source
        As the user wrote it.
    decode
        Called only if the entry has to be written.

    Raises
    ------
    BakeoffError
        If the cache cannot be written, or an image cannot be decoded.
    """
    entry = cache_directory() / key
    own_entry = entry.with_name(f"{key}-{getattr(os, 'getuid', os.getlogin)()}")
    for directory in (entry, own_entry):
        keep_in_cache(directory)
        data = open_entry(directory)
        if data is not None:
            return data
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(entry.parent)
        _remove_unused(entry.parent)
        with _temporary_folder(entry) as temporary:
            write_entry(temporary, listing, shape, source, decode)
            try:
                _put_in_place(temporary, entry)
            except PermissionError:
                entry = own_entry
                _put_in_place(temporary, entry)
    except OSError as error:
        otherwise = "set the environment variable BAKEOFF_CACHE to another folder"
        raise cannot_write(entry.parent, error, act="write decoded images to", otherwise=otherwise) from error
    return open_image_data(entry)


def keep_in_cache(directory: Path) -> None:
    """Mark an entry as used now, so that it is kept for the next `DAYS_UNUSED` days."""
    with suppress(OSError):  # it does not exist, or is another user's
        os.utime(directory / META, ns=(time.time_ns(), (directory / META).stat().st_mtime_ns))


def find_image_data(fingerprint: str) -> ImageData | None:
    """Open the cached images with this fingerprint; None if there are none, or they were changed."""
    for directory in _directories(fingerprint):
        data = open_entry(directory)
        if data is not None:
            keep_in_cache(directory)
            return data
    return None


class CheckedEntry(NamedTuple):
    """The result of a full check of cached images.

    Attributes
    ----------
    directory
        The folder of the images.
    problems
        For each file that differs from what was written, its path and what was found; empty if none does.
    """

    directory: Path
    problems: list[str]


def check_cached_images(fingerprint: str) -> list[CheckedEntry]:
    """Check every byte of the cached images of a data set.

    Parameters
    ----------
    fingerprint
        `ImageData.fingerprint`.

    Returns
    -------
    One result per folder of the cache that has images with this fingerprint: several if the same pixels were
    decoded from other files or by another version of Pillow.
    """
    return [CheckedEntry(entry, check_entry(entry, fingerprint)) for entry in _directories(fingerprint)]


def _directories(fingerprint: str) -> list[Path]:
    """The entries with images of this fingerprint."""
    try:
        entries = sorted(path.parent for path in cache_directory().glob(f"[!.]*/{CHECKSUMS}"))
    except BakeoffError:
        return []  # there is no cache
    return [entry for entry in entries if _mentions(entry, fingerprint)]


def _mentions(directory: Path, fingerprint: str) -> bool:
    """Whether an entry has this fingerprint; of the two files that name it, one may be damaged."""
    for name in (CHECKSUMS, META):
        with suppress(OSError):
            if fingerprint.encode() in (directory / name).read_bytes():
                return True
    return False


def _put_in_place(temporary: Path, entry: Path) -> None:
    """Rename a finished entry into place; keep a complete one that another process has written meanwhile."""
    for _ in range(3):
        try:
            temporary.rename(entry)
            flush_to_disk(entry.parent)
            return
        except OSError:
            if not entry.exists():
                raise
        if open_entry(entry) is not None:
            return
        _remove_entry(entry)  # damaged
    raise OSError(f"other processes keep replacing {entry}")


@contextmanager
def _temporary_folder(entry: Path) -> Iterator[Path]:
    """A new folder beside an entry, removed at the end; locked, so that others see that it is in use."""
    while True:
        # Not by tempfile, whose folders no other user can read, whatever the umask.
        folder = entry.with_name(f".{entry.name[:16]}.{secrets.token_hex(8)}.{_this_machine()}.tmp")
        folder.mkdir()
        with _locked(folder) as is_locked:
            if is_locked is False or not folder.exists():
                continue  # another process took it for abandoned before it was locked
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


@contextmanager
def _locked(folder: Path) -> Iterator[bool | None]:
    """Lock a folder, if no other process has. None if that cannot be known: on Windows, or without locks."""
    if sys.platform == "win32":
        yield None
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_locked = True
        except BlockingIOError:
            is_locked = False
        except OSError:
            is_locked = None
        yield is_locked
    finally:
        os.close(descriptor)


def _this_machine() -> str:
    """In the names of temporary folders: locks may not be seen on other machines that share the cache."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _remove_abandoned(cache: Path) -> None:
    """Remove the temporary folders of processes that were killed.

    Those of other machines, or where nothing can be locked, once they are `SECONDS_BEFORE_ABANDONED` old.
    """
    for path in cache.glob(".*.tmp"):
        with _locked(path) as is_locked:
            try:
                age = time.time() - path.stat().st_mtime
            except FileNotFoundError:
                continue  # its process has finished
            ours = is_locked and path.name.endswith(f".{_this_machine()}.tmp")
            if ours or (is_locked is not False and age > SECONDS_BEFORE_ABANDONED):
                shutil.rmtree(path, ignore_errors=True)


def _remove_unused(cache: Path) -> None:
    """Remove the entries that were not used for `DAYS_UNUSED` days."""
    for entry in cache.glob("[!.]*"):
        try:
            status = (entry / META).stat()
        except OSError:
            continue  # not an entry, or already removed
        if time.time() - max(status.st_atime, status.st_mtime) > DAYS_UNUSED * 24 * 3600:
            with suppress(PermissionError):  # another user's
                _remove_entry(entry)


def _remove_entry(entry: Path) -> None:
    """Move an entry away before deleting it, so that no process opens a partly deleted one."""
    with _temporary_folder(entry) as trash, suppress(FileNotFoundError):  # another process was faster
        entry.rename(trash / "removed")


def digest_key(parts: list[str]) -> str:
    """Digest of a list of strings, which also depends on where one ends and the next begins."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
