"""The source `idx:DIR`: images and labels in the IDX format of MNIST (LeCun, Cortes and Burges, 1998)."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import SplitName
from bakeoff.data.sources.labels import find_names, number_labels
from bakeoff.data.sources.listing import ListedImage, Listing, split_named
from bakeoff.errors import BakeoffError
from bakeoff.text import listed

FILE_NAME = re.compile(
    r"(?P<split>(?:.+[-_])?[A-Za-z0-9]+)-(?P<part>images|labels)[-.]idx[13]-ubyte(?:\.gz)?"
)
"""As in `train-images-idx3-ubyte.gz`, `t10k-labels.idx1-ubyte`, `emnist-letters-test-images-idx3-ubyte`."""

UNSIGNED_BYTES = 8
"""The code of this type of data in a header."""

MAX_BYTES = 4 << 30
"""Of a compressed file's content, which is held in memory."""


def list_idx(directory: Path, class_names: tuple[str, ...] | None = None) -> Listing:
    """List the images of the files `train-images-idx3-ubyte`, `t10k-images-idx3-ubyte` and their labels.

    They may be compressed (`.gz`), and their names may begin with that of the data set. `t10k` is test.
    `class_names` are those of `data.class_names`, in label order.

    Raises
    ------
    BakeoffError
        If a file is missing or there are several sets, a file is not IDX or has another length than its
        header says, or labels are not 0 to K-1 or 1 to K.
    """
    files = _find_files(directory)
    images: dict[SplitName, NDArray[np.uint8]] = {}
    labels: dict[SplitName, NDArray[np.uint8]] = {}
    for split, parts in files.items():
        images[split] = _read(parts["images"], num_axes=3)
        labels[split] = _read(parts["labels"], num_axes=1)
        if len(images[split]) != len(labels[split]):
            raise BakeoffError(
                f"{parts['images']} has {len(images[split]):,} images, but {parts['labels']} "
                f"{len(labels[split]):,} labels; download them again"
            )
    places = [f"{files[split]['labels']}: label {i}" for split in files for i in range(len(labels[split]))]
    interpreted = number_labels(
        np.concatenate([*labels.values()]).astype(np.int64),
        places.__getitem__,
        *find_names(directory, class_names),
    )
    indices = iter(interpreted.indices)
    splits: dict[SplitName, list[ListedImage]] = {}
    for split, pixels in images.items():
        rgb = np.broadcast_to(pixels[..., None], (*pixels.shape, 3))
        name = files[split]["images"].name.removesuffix(".gz")
        splits[split] = [
            ListedImage(f"{name}:{index}", next(indices), image) for index, image in enumerate(rgb)
        ]
    return Listing(splits, interpreted.class_names, interpreted.notes)


def _find_files(directory: Path) -> dict[SplitName, dict[str, Path]]:
    """For each split the files with its images and its labels."""
    files: dict[SplitName, dict[str, Path]] = {}
    for file in sorted(directory.iterdir()):
        match = FILE_NAME.fullmatch(file.name)
        word = re.split("[-_]", match["split"])[-1] if match else ""
        split = "test" if word == "t10k" else split_named(word)
        if match is None or split is None:
            continue
        other = files.setdefault(split, {}).setdefault(match["part"], file)
        if other.name.removesuffix(".gz") != file.name.removesuffix(".gz"):
            raise BakeoffError(
                f"{directory} has several files of {split} {match['part']}, {other.name} and {file.name}; "
                "move those of one data set to a folder of their own"
            )
    files.setdefault("train", {})
    for split_name, parts in files.items():
        missing = [part for part in ("images", "labels") if part not in parts]
        if missing:
            name = "t10k" if split_name == "test" else split_name
            names = [f"{name}-{part}-idx{3 if part == 'images' else 1}-ubyte" for part in missing]
            raise BakeoffError(f"no file {listed(names)} (or .gz) in {directory}; download it again")
    return files


def _read(file: Path, *, num_axes: int) -> NDArray[np.uint8]:
    """The array in a file: mapped, or in memory if it is compressed."""
    compressed = file.suffix == ".gz"
    header_length = 4 + 4 * num_axes
    content = b""
    try:
        with gzip.open(file) if compressed else file.open("rb") as stream:
            header = stream.read(header_length)
            shape = tuple(np.frombuffer(header[4:].ljust(4 * num_axes, b"\0"), ">u4").tolist())
            expected = math.prod(shape)
            if compressed and expected <= MAX_BYTES:
                content = stream.read(expected + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BakeoffError(f"{file} is not a whole gzip file ({error}); download it again") from error
    if header[:4] != bytes([0, 0, UNSIGNED_BYTES, num_axes]) or not expected:
        raise BakeoffError(
            f"{file} does not begin as an IDX file of {'images' if num_axes == 3 else 'labels'}: expected "
            f"bytes 0, 0, {UNSIGNED_BYTES}, {num_axes} and {num_axes} positive numbers; download it again"
        )
    if compressed and expected > MAX_BYTES:
        raise BakeoffError(f"{file} declares {expected:,} bytes; the limit is {MAX_BYTES:,}; decompress it")
    length = len(content) if compressed else file.stat().st_size - header_length
    if length != expected:
        found = f"more than {expected:,}" if length > expected else f"{length:,}"
        raise BakeoffError(
            f"{file} has {found} bytes after its header, which declares {' x '.join(map(str, shape))} "
            f"({expected:,}); download it again"
        )
    if compressed:
        return np.frombuffer(content, np.uint8).reshape(shape)
    return np.asarray(np.memmap(file, np.uint8, "r", header_length, shape))
