"""The source `arrays`: labeled images that are already in memory, or that a data set gives one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from bakeoff.data.decoding.parameters import Decoding
from bakeoff.data.decoding.picture import Picture
from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.data.sources.labels import Labels, Names, number_labels, read_labels
from bakeoff.data.sources.listing import ListedImage, Listing
from bakeoff.data.sources.pixels import channels_last, find_scale, to_uint8
from bakeoff.errors import BakeoffError
from bakeoff.text import shorten


class LabeledDataset(Protocol):
    """Anything with a length that gives (image, label), such as a data set of PyTorch or a list of pairs."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


LabeledImages = tuple[ArrayLike | Sequence[ArrayLike], ArrayLike] | LabeledDataset


@dataclass(frozen=True)
class ImageArrays:
    """Labeled images from Python, for `bakeoff.run(..., data=ImageArrays(...))`.

    Attributes
    ----------
    train, val, test
        (images, labels), or anything else with a length that gives (image, label), such as a data set of
        torchvision or a list of pairs. Images are arrays or tensors [height, width], gray, or with 1 or 3
        channels, last or first, of uint8 or of floats in 0..1; or images of Pillow. Sizes may differ. Labels
        are integers from 0 or 1, or class names. If val or test is None, it is cut from train, as the
        `[data]` table of the study says.
    class_names
        In label order; by default `train.classes` if there is such a list, or else the sorted names that
        occur in the labels.
    """

    train: LabeledImages
    val: LabeledImages | None = None
    test: LabeledImages | None = None
    class_names: Sequence[str] | None = None


def as_image_arrays(splits: Mapping[str, Any]) -> ImageArrays:
    """The images of a dict with train, and optionally val, test and class_names.

    Raises
    ------
    BakeoffError
        If a key is another, or train is missing.
    """
    valid = (*SPLIT_NAMES, "class_names")
    unknown = [key for key in splits if key not in valid]
    if unknown or "train" not in splits:
        found = f"found {', '.join(map(repr, unknown))}" if unknown else "train is missing"
        raise BakeoffError(f"data: {found}; expected a dict with train, and optionally val and test", "data")
    return ImageArrays(**splits)


def list_arrays(arrays: ImageArrays) -> Listing:
    """List images in memory; their ids are their indices.

    Raises
    ------
    BakeoffError
        If images are not gray or RGB, their values have no known range, the numbers of labels and images
        differ, or a label is not one of the classes.
    """
    images: dict[SplitName, list[NDArray[Any]]] = {}
    labels: dict[SplitName, NDArray[Any]] = {}
    for name in SPLIT_NAMES:
        split: LabeledImages | None = getattr(arrays, name)
        if split is not None:
            split_images, split_labels = _images_and_labels(name, split)
            images[name] = [_array(name, position, image) for position, image in enumerate(split_images)]
            labels[name] = _labels(name, split_labels)
            if len(images[name]) != len(labels[name]):
                raise BakeoffError(
                    f"{name}: {len(images[name]):,} images and {len(labels[name]):,} labels; "
                    "expected one label per image",
                    "data",
                )
    if not images.get("train"):
        raise BakeoffError("train: no images; expected at least one of each class", "data")
    interpreted = _interpret(labels, _class_names(arrays))
    scale = find_scale([image for of_split in images.values() for image in of_split])
    indices = iter(interpreted.indices)
    splits: dict[SplitName, list[ListedImage]] = {
        name: [
            ListedImage(str(position), next(indices), to_uint8(image, scale))
            for position, image in enumerate(of_split)
        ]
        for name, of_split in images.items()
    }
    return Listing(splits, interpreted.class_names, (*scale.notes, *interpreted.notes))


def _class_names(arrays: ImageArrays) -> tuple[str, ...] | None:
    class_names = arrays.class_names or getattr(arrays.train, "classes", None)
    if not class_names:
        return None
    names = [str(name) for name in class_names] if isinstance(class_names, Iterable) else []
    if isinstance(class_names, str) or not names or len(set(names)) < len(names):
        raise BakeoffError(
            f"class_names: found {shorten(class_names)}; expected a list of different names in label order",
            "data",
        )
    return tuple(names)


def _images_and_labels(split: str, labeled: Any) -> tuple[Any, Any]:
    if isinstance(labeled, tuple) and len(labeled) == 2:
        if not isinstance(labeled[0], Iterable):
            found = type(labeled[0]).__name__
            raise BakeoffError(f"{split}: found {found} for the images; expected several", "data")
        return labeled
    if not (hasattr(labeled, "__len__") and hasattr(labeled, "__getitem__")):
        raise BakeoffError(
            f"{split}: found {type(labeled).__name__}; expected (images, labels), or a data set with a "
            "length that gives (image, label)",
            "data",
        )
    images, labels = [], []
    try:
        number = len(labeled)
    except Exception as error:  # whatever a user's class raises
        raise BakeoffError(f"{split}: the data set has no length: {_reason(error)}", "data") from error
    for index in range(number):  # a data set of PyTorch need not end when it is iterated
        try:
            image, label = labeled[index]
        except Exception as error:  # whatever a user's class raises
            raise BakeoffError(
                f"{split}: item {index} is not an (image, label): {_reason(error)}; "
                "expected a pair for each index",
                "data",
            ) from error
        images.append(image)
        labels.append(label.item() if hasattr(label, "item") and np.ndim(label) == 0 else label)
    return images, labels


def _labels(split: str, labels: ArrayLike) -> NDArray[Any]:
    try:
        array = np.asarray(labels)
    except ValueError:  # of unequal lengths
        array = np.empty((0, 0), object)
    if array.ndim != 1 or array.dtype.kind not in "iuUO":
        raise BakeoffError(
            f"{split}: labels are {array.dtype} {list(array.shape)}; expected a list of integers or names",
            "data",
        )
    if array.dtype.kind in "UO":
        for position, label in enumerate(labels):  # type: ignore[arg-type]
            if label is None or isinstance(label, float):
                raise BakeoffError(
                    f"{split}: the label of image {position} is {label}; give it one, or leave it out", "data"
                )
    return array


def _interpret(labels: dict[SplitName, NDArray[Any]], class_names: tuple[str, ...] | None) -> Labels:
    places = [f"{split}: label of image {i}" for split, array in labels.items() for i in range(len(array))]
    names = Names(class_names, "class_names") if class_names else None
    remedy = "give class_names in label order"
    if all(array.dtype.kind in "iu" for array in labels.values()):
        numbers = np.concatenate([*labels.values()]).astype(np.int64)
        return number_labels(numbers, places.__getitem__, names, remedy)
    texts = [str(label) for array in labels.values() for label in array]
    return read_labels(texts, places.__getitem__, names, remedy)


def _array(split: str, position: int, image: Any) -> NDArray[Any]:
    """An image as an array [height, width, 3]."""
    # Those of more than 8 bits are arrays of their values.
    if isinstance(image, Image.Image) and image.mode not in ("I", "F") and "16" not in image.mode:
        image = Picture(image).to_rgb(Decoding())
    try:
        array = np.asarray(image)
    except Exception as error:  # rows of unequal lengths, a picture that cannot be read
        raise BakeoffError(
            f"{split}: image {position} is not an image: {_reason(error)}; "
            "expected an array [height, width], or with 1 or 3 channels",
            "data",
        ) from error
    pixels = channels_last(array, 0)
    if pixels is None:
        raise BakeoffError(
            f"{split}: image {position} is {array.dtype} {list(array.shape)}; "
            "expected [height, width], or with 1 or 3 channels",
            "data",
        )
    return pixels


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
