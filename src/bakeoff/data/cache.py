"""The cache: decoded data sets on disk, as arrays that processes share through memory maps."""

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
"""Of an entry; one of another version is written anew."""

META = "meta.json"
SIZES = "original_sizes.npy"
SECONDS_BEFORE_ABANDONED = 24 * 3600
DAYS_UNUSED = 30
"""An entry that nothing has used for so long is removed when another is written."""

Decode = Callable[[list[ListedImage], list[NDArray[np.uint8]]], NDArray[np.int32]]
"""Decodes each image into its row of an array; returns the original widths and heights."""


def cache_directory() -> Path:
    """BAKEOFF_CACHE, or `bakeoff` in XDG_CACHE_HOME, or ~/.cache/bakeoff."""
    if chosen := os.environ.get("BAKEOFF_CACHE"):
        return Path(chosen).expanduser().absolute()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).absolute() / "bakeoff"
    return Path.home() / ".cache" / "bakeoff"


def open_image_data(directory: Path) -> ImageData:
    """Open a data set of the cache: images memory-mapped and read-only, labels in memory.

    Parameters
    ----------
    directory
        `ImageData.directory` of what `load_data` gave.

    Raises
    ------
    BakeoffError
        If a file of it is missing or shorter than it was written.
    """
    keep_in_cache(directory)
    data = _open_if_whole(directory)
    if data is None:
        raise BakeoffError(
            f"the decoded images in {directory} are missing or damaged; "
            "run the command again to decode them anew"
        )
    return data


def open_or_create(key: str, listing: Listing, image_size: int, source: str, decode: Decode) -> ImageData:
    """Open the data set under `key`, after decoding it into the cache if it is not there, whole.

    A new entry is written beside its place and renamed into it, so that it is complete or absent, and of
    several processes that decode the same images each ends with a whole entry.

    Parameters
    ----------
    key
        Digest of everything that decides the pixels, labels and ids.
    listing
        With all three splits.
    image_size
        Height and width in pixels.
    source
        As the user wrote it.
    decode
        Called once, and only if the entry has to be written.

    Raises
    ------
    BakeoffError
        If the cache cannot be written, or an image not decoded.
    """
    entry = cache_directory() / key
    keep_in_cache(entry)
    data = _open_if_whole(entry)
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
            "or set the environment variable BAKEOFF_CACHE to a folder that can be written"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return open_image_data(entry)


def keep_in_cache(directory: Path) -> None:
    """Note that an entry is in use: for `DAYS_UNUSED` days from now it stays."""
    with suppress(OSError):  # not there, or the cache of somebody else
        os.utime(directory / META, ns=(time.time_ns(), (directory / META).stat().st_mtime_ns))


def read_original_sizes(directory: Path) -> NDArray[np.int32]:
    """int32 [num_images, 2]: widths and heights in pixels before resizing, of train, val and test.

    Parameters
    ----------
    directory
        `ImageData.directory`.
    """
    sizes: NDArray[np.int32] = np.load(directory / SIZES)
    return sizes


def _read_meta(directory: Path) -> dict[str, Any]:
    """What an entry tells about itself: see `_write_entry`."""
    meta: dict[str, Any] = json.loads((directory / META).read_text(encoding="utf-8"))
    return meta


def _open_if_whole(directory: Path) -> ImageData | None:
    try:
        meta = _read_meta(directory)
        if meta["format_version"] != FORMAT_VERSION:
            return None
        splits = {name: _open_split(directory, name, meta["ids"][name]) for name in SPLIT_NAMES}
        if len(read_original_sizes(directory)) != sum(map(len, splits.values())):
            return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError):
        # NumPy and json find a short file by themselves.
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
        # Without this a full disk kills the process with SIGBUS when a page of the map is written.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return images


def _put_in_place(temporary: Path, entry: Path) -> None:
    """Rename a finished entry into place; keep a whole one that another process put there meanwhile."""
    for _ in range(3):
        try:
            temporary.rename(entry)
            _flush_to_disk(entry.parent)
            return
        except OSError:
            if not entry.exists():
                raise
        if _open_if_whole(entry) is not None:
            return
        _remove_whole(entry)  # damaged
    raise OSError(f"{entry} is rewritten by other processes again and again")


def _remove_abandoned(cache: Path) -> None:
    """Remove what processes that were killed while decoding have left."""
    for path in cache.glob(".*.tmp"):
        try:
            abandoned = time.time() - path.stat().st_mtime > SECONDS_BEFORE_ABANDONED
        except FileNotFoundError:
            continue  # its process has finished
        if abandoned:
            shutil.rmtree(path, ignore_errors=True)


def _remove_unused(cache: Path) -> None:
    """Remove the entries that nothing has used for a long time."""
    for entry in cache.glob("[!.]*"):
        try:
            found = (entry / META).stat()
        except OSError:
            continue  # no entry, or gone
        if time.time() - max(found.st_atime, found.st_mtime) > DAYS_UNUSED * 24 * 3600:
            _remove_whole(entry)


def _remove_whole(entry: Path) -> None:
    """Move an entry away before it is deleted, so that no process ever sees a half-deleted one."""
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
    """A digest of texts, each counted apart."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
