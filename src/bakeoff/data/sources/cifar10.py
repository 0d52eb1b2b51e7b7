"""The source `cifar10:DIR`: CIFAR-10 in its binary version (Krizhevsky, 2009)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bakeoff.data.sources.listing import ListedImage, Listing, read_class_names
from bakeoff.errors import BakeoffError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

IMAGE_SIDE = 32

RECORD = np.dtype([("label", np.uint8), ("planes", np.uint8, (3, IMAGE_SIDE, IMAGE_SIDE))])

TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))

TEST_FILE = "test_batch.bin"


def list_cifar10(directory: Path) -> Listing:
    """List the five training batches and the test batch in `directory` or its `cifar-10-batches-bin`.

    Raises
    ------
    BakeoffError
        If a file is missing, its length is not a multiple of 3,073 bytes, or a label is not 0..9.
    """
    if (directory / "cifar-10-batches-bin").is_dir():
        directory = directory / "cifar-10-batches-bin"
    names_file = directory / "batches.meta.txt"
    class_names = read_class_names(names_file) if names_file.is_file() else CLASS_NAMES
    if len(class_names) != len(CLASS_NAMES):
        raise BakeoffError(f"{names_file} holds {len(class_names)} names; expected {len(CLASS_NAMES)}")
    train = [image for name in TRAIN_FILES for image in _read_batch(directory / name)]
    return Listing({"train": train, "test": _read_batch(directory / TEST_FILE)}, class_names)


def _read_batch(file: Path) -> list[ListedImage]:
    if not file.is_file():
        raise BakeoffError(
            f"no file {file}; expected the binary version of CIFAR-10: data_batch_1.bin to data_batch_5.bin "
            "and test_batch.bin"
        )
    length = file.stat().st_size
    if length == 0 or length % RECORD.itemsize:
        raise BakeoffError(
            f"{file} is {length:,} bytes long; expected a multiple of {RECORD.itemsize:,} "
            "(1 + 3 x 32 x 32 per image; 30,730,000 in the official files); download it again"
        )
    records = np.asarray(np.memmap(file, RECORD, "r"))
    labels = records["label"]
    invalid = np.flatnonzero(labels >= len(CLASS_NAMES))
    if len(invalid):
        raise BakeoffError(
            f"{file}: label {labels[invalid[0]]} of image {invalid[0]} is outside 0..{len(CLASS_NAMES) - 1}; "
            "is this the binary version of CIFAR-10, not CIFAR-100?"
        )
    images = records["planes"].transpose(0, 2, 3, 1)
    return [
        ListedImage(f"{file.name}:{index}", int(label), image)
        for index, (label, image) in enumerate(zip(labels, images, strict=True))
    ]
