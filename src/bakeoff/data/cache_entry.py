"""One data set in the cache: the files of its folder, written once and opened memory-mapped."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.checksums import CHECKSUMS, find_damage, write_checksums
from bakeoff.data.decode_all import DecodedImages
from bakeoff.data.decoding.parameters import Decoding
from bakeoff.data.image_data import SPLIT_NAMES, ImageData, Split, SplitName
from bakeoff.data.sources.listing import ListedImage, Listing
from bakeoff.data.statistics import channel_statistics, fingerprint

FORMAT_VERSION = 5
"""Version of an entry's format; entries of other versions are written again."""

META = "meta.json"
SIZES = "original_sizes.npy"
FILES = (META, SIZES, *(f"{name}_{part}.npy" for name in SPLIT_NAMES for part in ("labels", "images")))

ImageShape = tuple[int, int]
"""Height and width in pixels, which are equal, and number of channels."""

Decode = Callable[[list[ListedImage], list[NDArray[np.uint8]]], DecodedImages]
"""Decodes each image into its row of an array."""


def open_entry(directory: Path, *, with_test: bool = True) -> ImageData | None:
    """Open an entry; None if it is not there, a file of it was changed, or its format is another.

    Without the test images, no file of theirs is opened; the validation images stand in their place.
    """
    names = SPLIT_NAMES if with_test else SPLIT_NAMES[:2]
    if find_damage(directory, [name for name in FILES if with_test or not name.startswith("test_")]):
        return None
    try:
        meta: dict[str, Any] = json.loads((directory / META).read_text(encoding="utf-8"))
        if meta["format_version"] != FORMAT_VERSION:
            return None
        splits = {name: _open_split(directory, name, meta["ids"][name]) for name in names}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # removed just now, or of another version
    return ImageData(
        train=splits["train"],
        val=splits["val"],
        test=splits["test" if with_test else "val"],
        class_names=tuple(meta["class_names"]),
        mean=tuple(meta["mean"]),
        std=tuple(meta["std"]),
        source=meta["source"],
        fingerprint=meta["fingerprint"] + ("" if with_test else " without test"),
        notes=tuple(meta["notes"]),
        directory=directory,
        decoding=Decoding.from_dict(meta["decoding"]),
        has_test=with_test,
    )


def _open_split(directory: Path, name: SplitName, ids: list[str]) -> Split:
    images = np.load(directory / f"{name}_images.npy", mmap_mode="r")
    labels = np.load(directory / f"{name}_labels.npy")
    labels.setflags(write=False)
    return Split(images, labels, tuple(ids))


def write_entry(directory: Path, listing: Listing, shape: ImageShape, source: str, decode: Decode) -> None:
    """Decode images into an empty folder; for the parameters, see `bakeoff.data.cache.open_or_create`."""
    listed = listing.splits
    image_size, num_channels = shape
    arrays = {
        name: _allocate(
            directory / f"{name}_images.npy", (len(listed[name]), image_size, image_size, num_channels)
        )
        for name in SPLIT_NAMES
    }
    rows = [row for name in SPLIT_NAMES for row in np.asarray(arrays[name])]
    decoded = decode([image for name in SPLIT_NAMES for image in listed[name]], rows)
    listed = listing.without(decoded.unreadable).splits
    start = 0
    splits: dict[SplitName, Split] = {}
    for name in SPLIT_NAMES:
        stop = start + len(arrays[name])
        kept = [index - start for index in range(start, stop) if index not in decoded.unreadable]
        start = stop
        if len(kept) < len(arrays[name]):
            arrays[name] = _keep_rows(directory / f"{name}_images.npy", arrays[name], kept)
        arrays[name].flush()
        labels = np.array([image.label for image in listed[name]], np.int64)
        _save(directory / f"{name}_labels.npy", labels)
        splits[name] = Split(np.asarray(arrays[name]), labels, tuple(image.id for image in listed[name]))
    _save(directory / SIZES, np.delete(decoded.sizes, list(decoded.unreadable), axis=0))
    mean, std = channel_statistics(splits["train"].images)
    data_fingerprint = fingerprint(splits, listing.class_names)
    meta = {
        "format_version": FORMAT_VERSION,
        "source": source,
        "class_names": listing.class_names,
        "notes": decoded.notes,
        "decoding": decoded.decoding.to_dict(),
        "mean": mean,
        "std": std,
        "fingerprint": data_fingerprint,
        "ids": {name: split.ids for name, split in splits.items()},
    }
    (directory / META).write_text(json.dumps(meta), encoding="utf-8")
    for file in FILES:
        flush_to_disk(directory / file)  # before their times are recorded
    write_checksums(directory, FILES, data_fingerprint)
    for path in (directory / CHECKSUMS, directory):
        flush_to_disk(path)


def _save(path: Path, array: NDArray[Any]) -> None:
    """Write an array; `np.save` to a file ignores it when the last write fails, as on a full disk."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getvalue())


def _keep_rows(
    path: Path, images: np.memmap[tuple[int, ...], np.dtype[np.uint8]], kept: list[int]
) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    """Write some of the images to a new file in place of theirs, never all of them in memory."""
    new = path.with_suffix(".kept")
    remaining = _allocate(new, (len(kept), *images.shape[1:]))
    for row, index in enumerate(kept):
        remaining[row] = images[index]
    new.replace(path)
    return remaining


def _allocate(path: Path, shape: tuple[int, ...]) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # Otherwise a full disk kills the process with SIGBUS when a page of the memory map is written.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return images


def check_entry(directory: Path, data_fingerprint: str) -> list[str]:
    """Check every byte of an entry: what was found, with its path; nothing if all is as it was written."""
    if problems := find_damage(directory, FILES, in_full=True):
        return problems
    data = open_entry(directory)
    if data is not None and data_fingerprint == fingerprint(
        {"train": data.train, "val": data.val, "test": data.test}, data.class_names
    ):
        return []
    return [f"{directory}: its images, labels and names do not have the data's fingerprint"]


def read_original_sizes(directory: Path) -> NDArray[np.int32]:
    """Read the original widths and heights in pixels, int32 [num_images, 2], of train, val and test.

    Parameters
    ----------
    directory
        `ImageData.directory`.
    """
    sizes: NDArray[np.int32] = np.load(directory / SIZES)
    return sizes


def flush_to_disk(path: Path) -> None:
    """Flush a file or folder, so that it survives a power failure."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
