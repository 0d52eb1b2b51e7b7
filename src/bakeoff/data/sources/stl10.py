"""The source `stl10:DIR`: STL-10 in its official binary format (Coates, Ng and Lee, AISTATS 2011)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from bakeoff.data.image_data import SplitName
from bakeoff.data.sources.listing import ListedImage, Listing, read_class_names
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings

CLASS_NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")

IMAGE_SIDE = 96

BYTES_PER_IMAGE = 3 * IMAGE_SIDE * IMAGE_SIDE


def list_stl10(directory: Path, settings: DataSettings) -> Listing:
    """List the images of `train_X.bin` and `test_X.bin` in `directory` or its folder `stl10_binary`.

    Of the official test set, the first `settings.stl10_val_per_class` images of each class are val and the
    rest are test, as in the published study.

    Raises
    ------
    BakeoffError
        If a file is missing or of the wrong length, a label is not 1..10, or nothing remains for test.
    """
    if (directory / "stl10_binary").is_dir():
        directory = directory / "stl10_binary"
    names_file = directory / "class_names.txt"
    class_names = read_class_names(names_file) if names_file.is_file() else CLASS_NAMES
    if len(class_names) != len(CLASS_NAMES):
        raise BakeoffError(f"{names_file} holds {len(class_names)} names; expected {len(CLASS_NAMES)}")

    splits: dict[SplitName, list[ListedImage]] = {
        "train": _read_part(directory, "train"),
        "val": [],
        "test": [],
    }
    counts: Counter[int] = Counter()
    for image in _read_part(directory, "test"):
        splits["val" if counts[image.label] < settings.stl10_val_per_class else "test"].append(image)
        counts[image.label] += 1
    for label, count in sorted(counts.items()):
        if count <= settings.stl10_val_per_class:
            raise BakeoffError(
                f"data.stl10_val_per_class is {settings.stl10_val_per_class}, but {directory / 'test_X.bin'} "
                f"has only {count} images of {class_names[label]!r}, so nothing remains for test; "
                f"set data.stl10_val_per_class below {min(counts.values())}"
            )
    note = (
        f"Of the official test part the first {settings.stl10_val_per_class} images of each class are val "
        "and the rest test."
    )
    return Listing(splits, class_names, (note,))


def _read_part(directory: Path, part: str) -> list[ListedImage]:
    pixels_file, labels_file = directory / f"{part}_X.bin", directory / f"{part}_y.bin"
    for file in (pixels_file, labels_file):
        if not file.is_file():
            raise BakeoffError(
                f"no file {file}; expected train_X.bin, train_y.bin, test_X.bin and test_y.bin, "
                "as `bakeoff data fetch stl10 DIR` downloads them"
            )
    labels = np.fromfile(labels_file, np.uint8)
    if not len(labels):
        raise BakeoffError(f"{labels_file} is empty; expected one byte per image; fetch it again")
    length, expected = pixels_file.stat().st_size, len(labels) * BYTES_PER_IMAGE
    if length != expected:
        raise BakeoffError(
            f"{pixels_file} is {length:,} bytes long; expected {expected:,} "
            f"({BYTES_PER_IMAGE:,} for each of the {len(labels):,} labels in {labels_file.name}); "
            "fetch it again"
        )
    invalid = np.flatnonzero((labels < 1) | (labels > len(CLASS_NAMES)))
    if len(invalid):
        raise BakeoffError(
            f"{labels_file}: label {labels[invalid[0]]} at byte {invalid[0]} is outside "
            f"1..{len(CLASS_NAMES)}; fetch it again"
        )
    planes = np.asarray(np.memmap(pixels_file, np.uint8, "r").reshape(-1, 3, IMAGE_SIDE, IMAGE_SIDE))
    images = planes.transpose(0, 3, 2, 1)  # planes are column-major: [image, channel, column, row]
    return [
        ListedImage(f"{pixels_file.name}:{index}", int(label) - 1, image)
        for index, (label, image) in enumerate(zip(labels, images, strict=True))
    ]
