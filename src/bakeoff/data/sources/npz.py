"""The source `npz:FILE`: arrays of images and labels in a NumPy archive, as MedMNIST and Keras write them."""

from __future__ import annotations

import math
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import SplitName
from bakeoff.data.sources.labels import Labels, find_names, number_labels, read_labels
from bakeoff.data.sources.listing import ListedImage, Listing, split_named
from bakeoff.data.sources.pixels import channels_last, find_scale, to_uint8
from bakeoff.errors import BakeoffError
from bakeoff.files import read_npy_header
from bakeoff.text import counted, shorten

ARRAY_NAME = re.compile(r"(?:([a-z]+)_)?(images|labels|x|y)(?:_([a-z]+))?", re.IGNORECASE)
"""As in `train_images` of MedMNIST and `x_train` of Keras."""

PARTS = {"images": "images", "x": "images", "labels": "labels", "y": "labels"}

MAX_BYTES = 16 << 30
"""Of all arrays, uncompressed."""


def list_npz(file: Path, class_names: tuple[str, ...] | None = None) -> Listing:
    """List the images of `train_images` and `train_labels`, or `x_train` and `y_train`, and of val and test.

    Images are [N, height, width], or with 1 or 3 channels; labels are [N] or [N, 1], numbers or names.
    Nothing is ever unpickled. `class_names` are those of `data.class_names`, in label order.

    Raises
    ------
    BakeoffError
        If the file is damaged, lacks an array, or has arrays that are not images or not one label per image.
    """
    names = _find_names(file)
    arrays = _read(file, [name for parts in names.values() for name in parts.values()])
    labels: dict[SplitName, NDArray[Any]] = {}
    for split, parts in names.items():
        images = arrays[parts["images"]]
        if channels_last(images, 1) is None:
            raise BakeoffError(
                f"{file}: {parts['images']} is {list(images.shape)}; expected [N, height, width], "
                "or with an axis of 1 or 3 channels, N from 1"
            )
        labels[split] = _one_per_image(file, parts["labels"], arrays[parts["labels"]], len(images))
    try:
        scale = find_scale([arrays[parts["images"]] for parts in names.values()])
    except BakeoffError as error:
        raise BakeoffError(f"{file}: {error}") from error
    interpreted = _interpret(file, names, labels, class_names)
    indices = iter(interpreted.indices)
    splits: dict[SplitName, list[ListedImage]] = {}
    for split, parts in names.items():
        name = parts["images"]
        pixels = channels_last(to_uint8(arrays.pop(name), scale), 1)
        assert pixels is not None
        splits[split] = [
            ListedImage(f"{name}:{index}", next(indices), image) for index, image in enumerate(pixels)
        ]
    return Listing(splits, interpreted.class_names, (*scale.notes, *interpreted.notes))


def _find_names(file: Path) -> dict[SplitName, dict[str, str]]:
    """For each split the names of its arrays of images and labels."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except Exception as error:  # zipfile raises many exceptions on a damaged file
        raise _damaged(file, error) from error
    names: dict[SplitName, dict[str, str]] = {}
    for name in members:
        match = ARRAY_NAME.fullmatch(name)
        if match is None or (match[1] and match[3]):
            continue
        split = split_named(match[1] or match[3] or "train")
        if split is None:
            continue
        part = PARTS[match[2].lower()]
        other = names.setdefault(split, {}).setdefault(part, name)
        if other != name:
            raise BakeoffError(
                f"{file}: {shorten(other)} and {shorten(name)} may both be the {part} of {split}; keep one"
            )
    names.setdefault("train", {})
    for split, parts in names.items():
        for part, letter in (("images", "x"), ("labels", "y")):
            if part not in parts:
                raise BakeoffError(
                    f"{file} has no array {split}_{part} or {letter}_{split}; it has "
                    f"{', '.join(shorten(name, 40) for name in members[:10]) or 'no array'}"
                )
    return names


def _read(file: Path, names: list[str]) -> dict[str, NDArray[Any]]:
    """The arrays, after their sizes were checked against the archive and the limit."""
    try:
        with zipfile.ZipFile(file) as archive:
            total = sum(archive.getinfo(f"{name}.npy").file_size for name in names)
            if total > MAX_BYTES:
                raise BakeoffError(f"{file}: its arrays take {total:,} bytes; the limit is {MAX_BYTES:,}")
            for name in names:
                _check_header(file, archive, name)
            arrays = {}
            for name in names:
                with archive.open(f"{name}.npy") as content:
                    arrays[name] = np.lib.format.read_array(content, allow_pickle=False)
            return arrays
    except BakeoffError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many exceptions on a damaged file
        raise _damaged(file, error) from error


def _check_header(file: Path, archive: zipfile.ZipFile, name: str) -> None:
    with archive.open(f"{name}.npy") as content:
        shape, dtype = read_npy_header(content)
    if dtype.hasobject:
        raise BakeoffError(
            f"{file}: {shorten(name)} holds Python objects, which are never unpickled; "
            "save it as an array of numbers or text"
        )
    declared, length = dtype.itemsize * math.prod(shape), archive.getinfo(f"{name}.npy").file_size
    if declared > length:
        raise BakeoffError(
            f"{file}: {shorten(name)} declares {shorten(declared)} bytes, but has only {length:,}; "
            "download the file again"
        )


def _damaged(file: Path, error: Exception) -> BakeoffError:
    reason = getattr(error, "strerror", None) or str(error)[:200] or type(error).__name__
    return BakeoffError(f"{file} is not a whole NumPy archive (.npz): {reason}; download it again")


def _one_per_image(file: Path, name: str, labels: NDArray[Any], num_images: int) -> NDArray[Any]:
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1:
        raise BakeoffError(
            f"{file}: {name} is {list(labels.shape)}; expected one label per image, [N] or [N, 1] "
            "(of one-hot labels, take argmax)"
        )
    if len(flat) != num_images:
        raise BakeoffError(f"{file}: {name} has {counted(len(flat), 'label')} for {num_images:,} images")
    return flat


def _interpret(
    file: Path,
    names: dict[SplitName, dict[str, str]],
    labels: dict[SplitName, NDArray[Any]],
    setting: tuple[str, ...] | None,
) -> Labels:
    places = [f"{file}: {names[split]['labels']}[{i}]" for split in labels for i in range(len(labels[split]))]
    class_names, remedy = find_names(file.parent, setting)
    kinds = {array.dtype.kind for array in labels.values()}
    if kinds == {"U"}:
        texts = [str(label).strip() for array in labels.values() for label in array]
        if "" in texts:
            raise BakeoffError(f"{places[texts.index('')]}: the label is empty; remove the image or label it")
        return read_labels(texts, places.__getitem__, class_names, remedy)
    values = np.concatenate([*labels.values()]) if kinds <= set("iuf") else np.array([np.nan])
    # A float of more than 53 bits is no label, and neither is NaN.
    if not ((values == np.floor(values)) & (np.abs(values.astype(np.float64)) < 2**53)).all():
        types = ", ".join(sorted({str(array.dtype) for array in labels.values()}))
        raise BakeoffError(f"{file}: the labels are {types}; expected whole numbers or text")
    return number_labels(values.astype(np.int64), places.__getitem__, class_names, remedy)
