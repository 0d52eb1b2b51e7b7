"""The cache: decoded data sets on disk, as memory-mapped arrays that processes share."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import SPLIT_NAMES, ImageData, Split, SplitName
from bakeoff.data.sources.listing import ListedImage, Listing
from bakeoff.data.statistics import channel_statistics, fingerprint
from bakeoff.errors import BakeoffError

FORMAT_VERSION = 2
"""Version of an entry's format; entries of other versions are written again."""

META = "meta.json"
SIZES = "original_sizes.npy"
SECONDS_BEFORE_ABANDONED = 24 * 3600
DAYS_UNUSED = 30
"""Entries that were not used for this long are removed when another is written."""

Decode = Callable[[list[ListedImage], list[NDArray[np.uint8]]], NDArray[np.int32]]
"""Decodes each image into its row of an array; returns the original widths and heights."""


def cache_directory() -> Path:
    """BAKEOFF_CACHE, or `bakeoff` in XDG_CACHE_HOME, or ~/.cache/bakeoff."""
    if directory := os.environ.get("BAKEOFF_CACHE"):
        return Path(directory).expanduser().absolute()
    if cache_home := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache_home).absolute() / "bakeoff"
    return Path.home() / ".cache" / "bakeoff"


def open_image_data(directory: Path) -> ImageData:
    """Open a data set in the cache: images memory-mapped and read-only, labels in memory.

    Parameters
    ----------
    directory
        `ImageData.directory` of what `load_data` returned.

    Raises
    ------
    BakeoffError
        If one of its files is missing or truncated.
    """
    keep_in_cache(directory)
    data = _open_if_complete(directory)
    if data is None:
        raise BakeoffError(
            f"the decoded images in {directory} are missing or damaged; "
            "load the data again (run the study again) to decode them"
        )
    return data


def open_or_create(key: str, listing: Listing, image_size: int, source: str, decode: Decode) -> ImageData:
    """Open the data set under `key`; if it is missing or damaged, decode it into the cache first.

    A new entry is written under a temporary name and renamed, so that it is complete or absent, and several
    processes that decode the same images all end with a complete entry.

    Parameters
    ----------
    key
        Digest of everything that determines the pixels, labels and ids.
    listing
        With all three splits.
    image_size
        Height and width in pixels.
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
    keep_in_cache(entry)
    data = _open_if_complete(entry)
    if data is not None:
        return data
    temporary: Path | None = None
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(entry.parent)
        _remove_unused(entry.parent)
        temporary = Path(tempfile.mkdtemp(prefix=f".{key[:16]}.", suffix=".tmp", dir=entry.parent))
        _write_entry(temporary, listing, image_size, source, decode)
        _put_in_place(temporary, entry)
    except OSError as error:
        raise BakeoffError(
            f"cannot write decoded images to {entry.parent}: {error.strerror or error}; free some space, "
            "or set the environment variable BAKEOFF_CACHE to a writable folder"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return open_image_data(entry)


def keep_in_cache(directory: Path) -> None:
    """Mark an entry as used now, so that it is kept for the next `DAYS_UNUSED` days."""
    with suppress(OSError):  # it does not exist, or is another user's
        os.utime(directory / META, ns=(time.time_ns(), (directory / META).stat().st_mtime_ns))


def read_original_sizes(directory: Path) -> NDArray[np.int32]:
    """Read the original widths and heights in pixels, int32 [num_images, 2], of train, val and test.

    Parameters
    ----------
    directory
        `ImageData.directory`.
    """
    sizes: NDArray[np.int32] = np.load(directory / SIZES)
    return sizes


def _read_meta(directory: Path) -> dict[str, Any]:
    """Read the metadata of an entry, see `_write_entry`."""
    meta: dict[str, Any] = json.loads((directory / META).read_text(encoding="utf-8"))
    return meta


def _open_if_complete(directory: Path) -> ImageData | None:
    try:
        meta = _read_meta(directory)
        if meta["format_version"] != FORMAT_VERSION:
            return None
        splits = {name: _open_split(directory, name, meta["ids"][name]) for name in SPLIT_NAMES}
        if len(read_original_sizes(directory)) != sum(map(len, splits.values())):
            return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError):
        # NumPy and json raise on a truncated file.
        return None
    return ImageData(
        **splits,
        class_names=tuple(meta["class_names"]),
        mean=tuple(meta["mean"]),
        std=tuple(meta["std"]),
        source=meta["source"],
        fingerprint=meta["fingerprint"],
        notes=tuple(meta["notes"]),
        directory=directory,
    )


def _open_split(directory: Path, name: SplitName, ids: list[str]) -> Split:
    images = np.load(directory / f"{name}_images.npy", mmap_mode="r")
    labels = np.load(directory / f"{name}_labels.npy")
    labels.setflags(write=False)
    return Split(images, labels, tuple(ids))


def _write_entry(directory: Path, listing: Listing, image_size: int, source: str, decode: Decode) -> None:
    listed = listing.splits
    arrays = {
        name: _allocate(directory / f"{name}_images.npy", (len(listed[name]), image_size, image_size, 3))
        for name in SPLIT_NAMES
    }
    rows = [row for name in SPLIT_NAMES for row in np.asarray(arrays[name])]
    sizes = decode([image for name in SPLIT_NAMES for image in listed[name]], rows)
    splits: dict[SplitName, Split] = {}
    for name in SPLIT_NAMES:
        arrays[name].flush()
        labels = np.array([image.label for image in listed[name]], np.int64)
        np.save(directory / f"{name}_labels.npy", labels)
        splits[name] = Split(np.asarray(arrays[name]), labels, tuple(image.id for image in listed[name]))
    np.save(directory / SIZES, sizes)
    mean, std = channel_statistics(splits["train"].images)
    meta = {
        "format_version": FORMAT_VERSION,
        "source": source,
        "class_names": listing.class_names,
        "notes": listing.notes,
        "mean": mean,
        "std": std,
        "fingerprint": fingerprint(splits, listing.class_names),
        "ids": {name: split.ids for name, split in splits.items()},
    }
    (directory / META).write_text(json.dumps(meta), encoding="utf-8")
    for path in (*directory.iterdir(), directory):
        _flush_to_disk(path)


def _allocate(path: Path, shape: tuple[int, ...]) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # Otherwise a full disk kills the process with SIGBUS when a page of the memory map is written.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return images


def _put_in_place(temporary: Path, entry: Path) -> None:
    """Rename a finished entry into place; keep a complete one that another process has written meanwhile."""
    for _ in range(3):
        try:
            temporary.rename(entry)
            _flush_to_disk(entry.parent)
            return
        except OSError:
            if not entry.exists():
                raise
        if _open_if_complete(entry) is not None:
            return
        _remove_entry(entry)  # damaged
    raise OSError(f"other processes keep replacing {entry}")


def _remove_abandoned(cache: Path) -> None:
    """Remove the temporary folders of processes that were killed while decoding."""
    for path in cache.glob(".*.tmp"):
        try:
            abandoned = time.time() - path.stat().st_mtime > SECONDS_BEFORE_ABANDONED
        except FileNotFoundError:
            continue  # its process has finished
        if abandoned:
            shutil.rmtree(path, ignore_errors=True)


def _remove_unused(cache: Path) -> None:
    """Remove the entries that were not used for `DAYS_UNUSED` days."""
    for entry in cache.glob("[!.]*"):
        try:
            status = (entry / META).stat()
        except OSError:
            continue  # not an entry, or already removed
        if time.time() - max(status.st_atime, status.st_mtime) > DAYS_UNUSED * 24 * 3600:
            _remove_entry(entry)


def _remove_entry(entry: Path) -> None:
    """Move an entry away before deleting it, so that no process opens a partly deleted one."""
    trash = Path(tempfile.mkdtemp(prefix=f".{entry.name[:16]}.", suffix=".tmp", dir=entry.parent))
    try:
        entry.rename(trash / "removed")
    except FileNotFoundError:
        pass  # another process was faster
    finally:
        shutil.rmtree(trash, ignore_errors=True)


def _flush_to_disk(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_key(parts: list[str]) -> str:
    """Digest of a list of strings, which also depends on where one ends and the next begins."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
