"""The source `arrays`: labelled images that are in memory already."""

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

LabelledImages = tuple[ArrayLike | Sequence[ArrayLike], ArrayLike]


@dataclass(frozen=True)
class ImageArrays:
    """Labelled images from Python, for `bakeoff.run(..., data=ImageArrays(...))`.

    Attributes
    ----------
    train, val, test
        (images, labels). Images are uint8 [num_images, height, width, 3], or grey [num_images, height,
        width], or a list of such images of any sizes; labels are whole numbers from 0, or class names. What
        is missing of val and test is cut from train, as `[data]` of the study says.
    class_names
        In label order; by default the names found in the labels, sorted.
    """

    train: LabelledImages
    val: LabelledImages | None = None
    test: LabelledImages | None = None
    class_names: Sequence[str] | None = None


def list_arrays(arrays: ImageArrays) -> Listing:
    """List images in memory; they are named by their place.

    Raises
    ------
    BakeoffError
        If images are not 8-bit grey or RGB, there are not as many labels as images, or a label is of no
        class.
    """
    given: dict[SplitName, LabelledImages | None] = {
        "train": arrays.train,
        "val": arrays.val,
        "test": arrays.test,
    }
    labels = {name: _labels(name, split[1]) for name, split in given.items() if split is not None}
    class_names = tuple(map(str, arrays.class_names or _names(list(labels.values()))))
    splits: dict[SplitName, list[ListedImage]] = {}
    for name, split in given.items():
        if split is not None:
            images = split[0]
            number = len(images)  # type: ignore[arg-type]
            if number != len(labels[name]):
                raise BakeoffError(
                    f"{name}: {number:,} images and {len(labels[name]):,} labels; expected a label an image"
                )
            indices = _indices(name, labels[name], class_names)
            splits[name] = [
                ListedImage(str(place), label, _image(name, place, image))
                for place, (image, label) in enumerate(zip(images, indices, strict=True))  # type: ignore[arg-type]
            ]
    return Listing(splits, class_names)


def _labels(split: str, labels: ArrayLike) -> NDArray[Any]:
    found = np.asarray(labels)
    if found.ndim != 1 or found.dtype.kind not in "iuUO":
        raise BakeoffError(
            f"{split}: labels are {found.dtype} {list(found.shape)}; expected a list of numbers or names"
        )
    return found


def _names(labels: list[NDArray[Any]]) -> list[str]:
    every = np.concatenate(labels)
    if every.dtype.kind in "iu":
        return [str(label) for label in range(int(every.max(initial=0)) + 1)]
    return sorted({str(label) for label in every})


def _indices(split: str, labels: NDArray[Any], class_names: tuple[str, ...]) -> list[int]:
    if labels.dtype.kind in "iu":
        wrong = labels[(labels < 0) | (labels >= len(class_names))]
        if len(wrong):
            raise BakeoffError(f"{split}: label {wrong[0]}; expected 0 to {len(class_names) - 1}")
        return [int(label) for label in labels]
    places = {name: place for place, name in enumerate(class_names)}
    for label in labels:
        if str(label) not in places:
            raise BakeoffError(
                f"{split}: label {shorten(label)} is none of the classes {shorten(class_names)}"
            )
    return [places[str(label)] for label in labels]


def _image(split: str, place: int, image: ArrayLike) -> NDArray[np.uint8]:
    given = np.asarray(image)
    pixels = np.repeat(given[:, :, None], 3, axis=2) if given.ndim == 2 else given
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise BakeoffError(
            f"{split}: image {place} is {given.dtype} {list(given.shape)}; "
            "expected uint8 [height, width] or [height, width, 3], values 0 to 255"
        )
    return pixels
