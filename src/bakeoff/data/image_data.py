"""ImageData: labeled images as arrays, the form that every later stage reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.decoding.parameters import Decoding

SplitName = Literal["train", "val", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "val", "test")

NEW, IDENTICAL, NEARLY, NOT_CHECKED, LOOKS_LIKE, NOT_IDENTICAL = range(6)
"""Of an image that models are tested on: whether it is a training or validation image, too.

`LOOKS_LIKE`: nearly so, where copies cannot be told from images of the same kind. `NOT_IDENTICAL`: no
identical one; near duplicates were not searched for.
"""


@dataclass(frozen=True)
class Split:
    """The images of one split.

    Attributes
    ----------
    images
        uint8 [num_images, height, width, num_channels], RGB or gray; usually memory-mapped, read-only.
    labels
        int64 [num_images], an index into `ImageData.class_names`.
    ids
        A name for each image, unique within the split: the path relative to the source's folder, or the
        index in a binary file.
    groups
        For each image the name of those that belong together with it, such as those of one patient; None if
        the source has no groups. Only `load_data` gives them: training does not need them.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    groups: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageData:
    """Decoded, resized images of a data set in three splits, with their statistics.

    Attributes
    ----------
    train, val, test
        The splits: train fits the weights, val selects the checkpoint, test is used once, at the end.
    class_names
        In label order.
    mean, std
        Per-channel statistics (red, green, blue, or gray) of the training images, in 0..1, computed in
        float64.
    source
        The source as the user wrote it, such as `splits:DIR`.
    fingerprint
        SHA-256 of the pixels, labels, ids and class names of all three splits: equal fingerprints mean equal
        data.
    notes
        Sentences on how the splits were made and the files decoded, for the report.
    directory
        The cache entry with the memory-mapped arrays, which other processes open with
        `bakeoff.data.open_image_data`.
    decoding
        How files were decoded, and what they together told.
    has_test
        Whether the test images are loaded. Otherwise, as in trials, `test` holds the validation images.
    """

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    fingerprint: str
    notes: tuple[str, ...]
    directory: Path
    decoding: Decoding = field(default_factory=Decoding)
    has_test: bool = True

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_size(self) -> int:
        """Height and width in pixels; the images are square."""
        return int(self.train.images.shape[1])

    @property
    def num_channels(self) -> int:
        """3, or 1 if the images are gray."""
        return int(self.train.images.shape[3])

    def split(self, name: SplitName) -> Split:
        split: Split = getattr(self, name)
        return split
