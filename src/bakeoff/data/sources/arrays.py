"""The source `arrays`: labeled images that are already in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.data.image_data import SplitName
from bakeoff.data.sources.listing import ListedImage, Listing
from bakeoff.errors import BakeoffError
from bakeoff.text import shorten

LabeledImages = tuple[ArrayLike | Sequence[ArrayLike], ArrayLike]


@dataclass(frozen=True)
class ImageArrays:
    """Labeled images from Python, for `bakeoff.run(..., data=ImageArrays(...))`.

    Attributes
    ----------
    train, val, test
        (images, labels). Images are uint8 [num_images, height, width, 3], or gray [num_images, height,
        width], or a list of such images of any sizes; labels are integers from 0, or class names. If val or
        test is None, it is cut from train, as the `[data]` table of the study says.
    class_names
        In label order; by default the sorted names that occur in the labels.
    """

    train: LabeledImages
    val: LabeledImages | None = None
    test: LabeledImages | None = None
    class_names: Sequence[str] | None = None


def list_arrays(arrays: ImageArrays) -> Listing:
    """List images in memory; their ids are their indices.

    Raises
    ------
    BakeoffError
        If images are not 8-bit gray or RGB, the numbers of labels and images differ, or a label is not one of
        the classes.
    """
    provided_splits: dict[SplitName, LabeledImages | None] = {
        "train": arrays.train,
        "val": arrays.val,
        "test": arrays.test,
    }
    labels = {name: _labels(name, split[1]) for name, split in provided_splits.items() if split is not None}
    class_names = tuple(map(str, arrays.class_names or _names(list(labels.values()))))
    splits: dict[SplitName, list[ListedImage]] = {}
    for name, split in provided_splits.items():
        if split is not None:
            images = split[0]
            num_images = len(images)  # type: ignore[arg-type]
            if num_images != len(labels[name]):
                raise BakeoffError(
                    f"{name}: {num_images:,} images and {len(labels[name]):,} labels; "
                    "expected one label per image",
                    "data",
                )
            indices = _indices(name, labels[name], class_names)
            splits[name] = [
                ListedImage(str(position), label, _image(name, position, image))
                for position, (image, label) in enumerate(zip(images, indices, strict=True))  # type: ignore[arg-type]
            ]
    return Listing(splits, class_names)


def _labels(split: str, labels: ArrayLike) -> NDArray[Any]:
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iuUO":
        raise BakeoffError(
            f"{split}: labels are {array.dtype} {list(array.shape)}; expected a list of integers or names",
            "data",
        )
    return array


def _names(labels: list[NDArray[Any]]) -> list[str]:
    all_labels = np.concatenate(labels)
    if all_labels.dtype.kind in "iu":
        return [str(label) for label in range(int(all_labels.max(initial=0)) + 1)]
    return sorted({str(label) for label in all_labels})


def _indices(split: str, labels: NDArray[Any], class_names: tuple[str, ...]) -> list[int]:
    if labels.dtype.kind in "iu":
        invalid = labels[(labels < 0) | (labels >= len(class_names))]
        if len(invalid):
            raise BakeoffError(f"{split}: label {invalid[0]}; expected 0 to {len(class_names) - 1}", "data")
        return [int(label) for label in labels]
    index_of = {name: index for index, name in enumerate(class_names)}
    for label in labels:
        if str(label) not in index_of:
            raise BakeoffError(
                f"{split}: label {shorten(str(label))} is none of the classes {shorten(class_names)}", "data"
            )
    return [index_of[str(label)] for label in labels]


def _image(split: str, position: int, image: ArrayLike) -> NDArray[np.uint8]:
    array = np.asarray(image)
    pixels = np.repeat(array[:, :, None], 3, axis=2) if array.ndim == 2 else array
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise BakeoffError(
            f"{split}: image {position} is {array.dtype} {list(array.shape)}; "
            "expected uint8 [height, width] or [height, width, 3], values 0 to 255",
            "data",
        )
    return pixels
