"""load_data(): from the [data] table of a study to decoded, split and cached images."""

from __future__ import annotations

import dataclasses
import hashlib
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import __version__ as pillow_version

from bakeoff.data.cache import digest_key, open_or_create
from bakeoff.data.decode_all import DecodedImages, decode_all
from bakeoff.data.decoding.image_file import DECODER_VERSION
from bakeoff.data.decoding.parameters import Decoding
from bakeoff.data.groups import group_by_id, group_by_place, group_notes
from bakeoff.data.image_data import SPLIT_NAMES, ImageData, Split, SplitName
from bakeoff.data.progress import Progress, ProgressCallback
from bakeoff.data.sources.arrays import ImageArrays, list_arrays
from bakeoff.data.sources.labels import unused_names_note
from bakeoff.data.sources.listing import ListedImage, Listing, check_listing
from bakeoff.data.sources.naming import list_source
from bakeoff.data.splits import complete_splits
from bakeoff.environment import available_cores
from bakeoff.errors import BakeoffError
from bakeoff.files import read_bytes
from bakeoff.study.settings.data import NEAR_DUPLICATES, DataSettings
from bakeoff.text import counted, list_some

NUM_NAMED = 5
"""A note names this many of the images that were skipped."""

IMAGES_PER_READ = 256
"""A thread reads this many files at a time to tell whether they are those of a cached data set."""

MAX_FILE_BYTES = 1 << 30
"""Of one image file: more than an uncompressed image within the pixel limit needs."""


def load_data(
    settings: DataSettings,
    *,
    arrays: ImageArrays | None = None,
    groups: Mapping[tuple[SplitName, str], str] | None = None,
    progress: ProgressCallback | None = None,
) -> ImageData:
    """Read, split, decode and resize the images of a source; later calls open the cached arrays.

    Parameters
    ----------
    settings
        The [data] table of a study.
    arrays
        The images themselves, where the source is `arrays`.
    groups
        Those of near duplicates, where `settings.groups` says so: see `bakeoff.audit.loading.load_grouped`.
    progress
        Called with a description of the step, the number of images done and the total number.

    Returns
    -------
    All three splits, memory-mapped. Splits that the source lacks are cut from train, which `notes` mention.

    Raises
    ------
    BakeoffError
        If the source is unknown, does not exist or has not the structure of its kind, or an image cannot be
        decoded and is not to be skipped.
    """
    listing = list_arrays(arrays) if arrays is not None else list_source(settings)
    try:
        if settings.groups == NEAR_DUPLICATES:
            if groups is None:
                raise BakeoffError(
                    f'data.groups = "{NEAR_DUPLICATES}" needs bakeoff.audit.load_grouped, not load_data'
                )
            listing = group_by_place(listing, groups)
        elif settings.groups is not None:
            listing = group_by_id(listing, settings.groups)
        listing = complete_splits(listing, settings)
        check_listing(listing)
    except BakeoffError as error:
        raise BakeoffError(f"{settings.source}: {error}", error.parameter) from error
    decoding = Decoding(fit=settings.fit, bits=settings.bits, grey=settings.channels == "grey")
    skip = settings.on_unreadable == "skip"
    listed = [image for name in SPLIT_NAMES for image in listing.splits[name]]
    contents, not_opened = _hash_contents(listed, Progress("checking images", len(listed), progress))
    if not skip:
        _refuse(listed, not_opened)
    settings_of_pixels = [str(settings.image_size), repr(decoding), settings.on_unreadable]
    key = _cache_key(listing, contents, settings_of_pixels)

    def decode(listed: list[ListedImage], rows: list[NDArray[np.uint8]]) -> DecodedImages:
        steps = Progress("decoding images", len(listed), progress)
        decoded = decode_all(listed, rows, decoding, not_opened, progress=steps)
        if not skip:
            _refuse(listed, decoded.unreadable)
        return _without_unreadable(decoded, listing)

    data = open_or_create(key, listing, (settings.image_size, decoding.num_channels), settings.source, decode)
    # These may differ between listings of the same images, and are not in the cache.
    unused_names = unused_names_note(listing.class_names, settings.class_names)
    return dataclasses.replace(
        data,
        source=settings.source,
        notes=(*listing.notes, *data.notes, *unused_names, *group_notes(listing)),
        train=_with_groups(data.train, listing.splits["train"]),
        val=_with_groups(data.val, listing.splits["val"]),
        test=_with_groups(data.test, listing.splits["test"]),
    )


def _with_groups(split: Split, images: list[ListedImage]) -> Split:
    group_of = {image.id: image.group for image in images}
    groups = tuple(group_of[image_id] for image_id in split.ids)
    return dataclasses.replace(split, groups=groups if any(groups) else None)


def _refuse(listed: list[ListedImage], unreadable: dict[int, str]) -> None:
    if unreadable:
        count = counted(len(unreadable), "image")
        raise BakeoffError(
            f"{count} cannot be decoded; replace or remove them, or leave them out with "
            f'data.on_unreadable = "skip":\n{list_some(_reasons(listed, unreadable))}'
        )


def _reasons(listed: list[ListedImage], unreadable: dict[int, str]) -> list[str]:
    return [f"{listed[index].id}: {unreadable[index]}" for index in sorted(unreadable)]


def _without_unreadable(decoded: DecodedImages, listing: Listing) -> DecodedImages:
    """Note which images are skipped, and check that a classifier can be trained on the others."""
    if not decoded.unreadable:
        return decoded
    listed = [image for name in SPLIT_NAMES for image in listing.splits[name]]
    reasons = _reasons(listed, decoded.unreadable)
    try:
        check_listing(listing.without(decoded.unreadable))
    except BakeoffError as error:
        count = counted(len(reasons), "image")
        raise BakeoffError(
            f"{error}, once {count} that cannot be decoded are skipped:\n{list_some(reasons)}"
        ) from error
    first = "; ".join(reason[:200] for reason in reasons[:NUM_NAMED])
    note = (
        f"Skipped {len(reasons):,} of {counted(len(listed), 'image')}, which cannot be decoded "
        f"(data.on_unreadable): {first}{'; ...' if len(reasons) > NUM_NAMED else '.'}"
    )
    return dataclasses.replace(decoded, notes=(*decoded.notes, note))


def _cache_key(listing: Listing, contents: list[str], settings: list[str]) -> str:
    """Digest of the content of all images and everything else that determines the arrays."""
    split_images = [(name, image) for name in SPLIT_NAMES for image in listing.splits[name]]
    parts = [str(DECODER_VERSION), pillow_version, *settings]
    parts += [str(len(listing.class_names)), *listing.class_names]
    for (name, image), content in zip(split_images, contents, strict=True):
        parts.append(f"{name} {image.label} {content} {image.id}")
    return digest_key(parts)


def _hash_contents(listed: list[ListedImage], progress: Progress) -> tuple[list[str], dict[int, str]]:
    """A digest of the content of each image, and why some cannot be opened, by their index."""
    not_opened: dict[int, str] = {}

    def hash_some(start: int) -> list[str]:
        hashes = []
        for index, image in enumerate(listed[start : start + IMAGES_PER_READ], start):
            try:
                content = _content(image.image)
            except OSError as error:
                not_opened[index] = error.strerror or str(error)
                content = b""
            hashes.append(hashlib.sha256(content).hexdigest())  # most processors have instructions for it
        return hashes

    contents: list[str] = []
    with ThreadPoolExecutor(available_cores()) as pool:
        try:
            for hashes in pool.map(hash_some, range(0, len(listed), IMAGES_PER_READ)):
                contents += hashes
                progress.advance(len(hashes))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return contents, not_opened


def _content(image: str | bytes | NDArray[np.uint8]) -> bytes:
    if isinstance(image, str):
        return read_bytes(image, MAX_FILE_BYTES)
    return image if isinstance(image, bytes) else image.tobytes()


def check_plain_file(file: Path) -> None:
    """Check that reading a file ends: a pipe or a device such as /dev/zero may have no end.

    Raises
    ------
    BakeoffError
        If it is not a regular file, or larger than any image.
    OSError
        If it does not exist.
    """
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise BakeoffError("not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise BakeoffError(f"{status.st_size:,} bytes; the limit is {MAX_FILE_BYTES:,}")
