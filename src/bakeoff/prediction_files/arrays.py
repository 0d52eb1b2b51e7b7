"""Predictions from arrays in memory: labels, and for each recipe its predicted classes or probabilities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.assembling import assemble
from bakeoff.prediction_files.table import LONGEST_NAME, PredictionTable, first_bad_probability
from bakeoff.predictions import Predictions
from bakeoff.text import shorten

_SUM_TOLERANCE = 0.01
"""As of the columns of a CSV file; half precision is off by a few thousandths."""


def read_arrays(
    labels: Any,
    predictions: Mapping[str, Any],
    groups: Any = None,
    class_names: Sequence[str] | None = None,
) -> Predictions:
    """Take predictions of several recipes for the same images from arrays.

    Parameters
    ----------
    labels
        [num_images], numbers or names.
    predictions
        For each recipe [num_seeds, num_images] predicted classes, [num_seeds, num_images, num_classes]
        probabilities, or a list with one array per seed.
    groups
        [num_images], which images belong together.
    class_names
        In the order of the columns of probabilities, and of labels and predictions that are whole numbers
        (unless the names are such numbers themselves). By default the numbers from 0 if the labels are such,
        otherwise the labels in ascending order.

    Raises
    ------
    BakeoffError
        If shapes do not fit, a value is missing, probabilities do not sum to 1, or a class is unknown.
    """
    names = None if class_names is None else tuple(str(name) for name in class_names)
    if names is not None and len(set(names)) < len(names):
        raise BakeoffError(f"class_names has a name more than once: {shorten(list(names))}")
    label_names, label_codes = _classes("labels", _array("labels", labels, 1), names)
    num_images = len(label_codes)
    if not isinstance(predictions, Mapping) or not predictions:
        raise BakeoffError(
            f"predictions: found {type(predictions).__name__}{' without recipes' * (predictions == {})}; "
            'expected a dict such as {"plain": [seeds, images], "wide": [seeds, images, classes]}'
        )
    group_names, group_codes = None, None
    if groups is not None:
        array = _array("groups", groups, 1)
        if len(array) != num_images:
            raise BakeoffError(
                f"groups has {len(array)} entries; expected one for each of {num_images} images"
            )
        group_names, group_codes = _codes(array.astype(str))
    width = len(str(num_images - 1))
    image_names = [f"{image:0{width}d}" for image in range(num_images)]
    tables = []
    for recipe, given in predictions.items():
        where = f"predictions[{recipe!r}]"
        if not str(recipe).strip():
            raise BakeoffError(f"{where} has an empty name; expected one that the results can be told by")
        runs = _runs(where, given, num_images)
        probabilities = columns = None
        if runs[0].ndim == 2:
            probabilities = _probabilities(where, runs)
            columns = names or _columns(where, label_names, labels, probabilities.shape[1])
            if probabilities.shape[1] != len(columns):
                raise BakeoffError(
                    f"{where} has probabilities of {probabilities.shape[1]} classes; "
                    f"class_names has {len(columns)}: {shorten(list(columns))}"
                )
            predicted_names, predicted = list(columns), probabilities.argmax(axis=1).astype(np.int32)
        else:
            predicted_names, predicted = _classes(where, np.concatenate(runs), names)
        class_list = list(dict.fromkeys([*label_names, *predicted_names]))
        place = {name: code for code, name in enumerate(class_list)}
        recode = np.array([place[name] for name in predicted_names], np.int32)
        tables.append(
            PredictionTable(
                path=where,
                run_names=[(str(recipe), seed) for seed in range(len(runs))],
                image_names=image_names,
                class_names=class_list,
                runs=np.repeat(np.arange(len(runs), dtype=np.int32), num_images),
                images=np.tile(np.arange(num_images, dtype=np.int32), len(runs)),
                labels=np.tile(label_codes, len(runs)),
                predicted=recode[predicted],
                probabilities=probabilities,
                declared_classes=columns or names,
                lines=None,
                group_names=group_names,
                groups=None if group_codes is None else np.tile(group_codes, len(runs)),
            )
        )
    if num_images == 0:
        raise BakeoffError("labels is empty; expected one label per image")
    return assemble(tables)


def _array(where: str, given: Any, num_dimensions: int) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BakeoffError(f"{where} is not an array: {str(error)[:300]}") from error
    if array.ndim != num_dimensions:
        hint = "; of one-hot labels, pass labels.argmax(axis=1)" if array.ndim == 2 else ""
        raise BakeoffError(
            f"{where} has shape {list(array.shape)}; expected one entry per image, [images]{hint}"
        )
    return array


def _runs(where: str, given: Any, num_images: int) -> list[NDArray[Any]]:
    """One array per seed, all [num_images] or all [num_images, num_classes]."""
    try:
        several = isinstance(given, list | tuple) and len(given) > 0 and np.ndim(given[0]) > 0
        runs = [np.asarray(run) for run in given] if several else [np.asarray(given)]
    except (TypeError, ValueError, RuntimeError) as error:
        raise BakeoffError(f"{where} is not an array: {str(error)[:300]}") from error
    if not several:
        array = runs[0]
        is_one_run = array.ndim == 1 or (
            array.ndim == 2 and array.shape[1] != num_images and len(array) == num_images
        )
        runs = runs if is_one_run or array.ndim == 0 else list(array)
    shapes = {run.shape for run in runs}
    if len(shapes) != 1 or not all(run.ndim in (1, 2) and len(run) == num_images for run in runs):
        found = [list(run.shape) for run in runs] if several or not runs else list(np.shape(given))
        raise BakeoffError(
            f"{where} has shape {shorten(found)}; expected [seeds, images] or [seeds, images, classes], or a "
            f"list with an array per seed, with {num_images} images as labels has"
        )
    return runs


def _probabilities(where: str, runs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """float32 [num_seeds * num_images, num_classes], rows sum to 1."""
    try:
        values = np.concatenate(runs).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise BakeoffError(f"{where} has probabilities that are no numbers: {str(error)[:300]}") from error
    if values.shape[1] < 2:
        raise BakeoffError(
            f"{where} has one column; expected the probabilities of all classes. "
            "For the probability p of the second of two classes, pass np.concatenate([1 - p, p], axis=-1)"
        )
    bad = first_bad_probability(values, _SUM_TOLERANCE)
    if bad is not None:
        seed, image = divmod(bad[0], len(runs[0]))
        raise BakeoffError(f"{where}, seed {seed}, image {image}: {bad[1]}")
    values /= values.sum(axis=1, keepdims=True)
    return values


def _columns(where: str, label_names: Sequence[str], labels: Any, num_columns: int) -> tuple[str, ...]:
    """The classes of the columns of probabilities, if no names were given."""
    numbers = tuple(str(number) for number in range(num_columns))
    if set(label_names) <= set(numbers):
        if "0" not in label_names and len(label_names) > 1:
            raise BakeoffError(
                f"{where} has probabilities of {num_columns} classes, and no label is 0: the columns may be "
                f"those of 0 to {num_columns - 1}, or of 1 to {num_columns}; pass class_names in their "
                f"order, such as class_names=range({num_columns}) or range(1, {num_columns + 1})"
            )
        return numbers
    if len(label_names) == num_columns:
        return tuple(str(name) for name in np.unique(np.asarray(labels)).tolist())
    raise BakeoffError(
        f"{where} has probabilities of {num_columns} classes, and the labels name {len(label_names)}: "
        f"{shorten(list(label_names))}; pass class_names in the order of the columns"
    )


def _classes(
    where: str, array: NDArray[Any], class_names: Sequence[str] | None
) -> tuple[list[str], NDArray[np.int32]]:
    """The names of the classes in an array, and the array as codes of them."""
    missing = np.array([], np.int64)
    if array.dtype.kind == "f":
        missing = np.flatnonzero(np.isnan(array))
        if not len(missing) and not (array == np.floor(array)).all():
            row = int((array != np.floor(array)).argmax())
            raise BakeoffError(
                f"{where} has the class {array[row]:g}; expected whole numbers or names. "
                "For the probability p of the second of two classes, pass np.stack([1 - p, p], axis=-1)"
            )
    elif array.dtype.kind == "O":
        missing = np.flatnonzero([value is None or value != value for value in array.tolist()])
    elif array.dtype.kind not in "iubUS":
        raise BakeoffError(f"{where} has values of type {array.dtype}; expected numbers or names of classes")
    if len(missing):
        raise BakeoffError(f"{where} has a missing value ({array[missing[0]]}), first at {missing[0]}")
    if array.dtype.kind == "f":
        array = array.astype(np.int64)
    elif array.dtype.kind == "S":
        array = array.astype(str)
    if class_names is not None and array.dtype.kind in "iub" and not _are_names(array, class_names):
        outside = np.flatnonzero((array.astype(np.int64) < 0) | (array.astype(np.int64) >= len(class_names)))
        if len(outside):
            raise BakeoffError(
                f"{where} has the class {array[outside[0]]}; expected 0..{len(class_names) - 1}, the places "
                "in class_names"
            )
        return list(class_names), array.astype(np.int32)
    if array.dtype.kind == "O":
        array = array.astype(str)
    names, codes = _codes(array)
    if max(map(len, names), default=0) > LONGEST_NAME:
        raise BakeoffError(f"{where} has a class name of more than {LONGEST_NAME} characters")
    return names, codes


def _are_names(numbers: NDArray[Any], class_names: Sequence[str]) -> bool:
    """Whether whole numbers are names of classes, which are whole numbers too, and not places among them."""
    return all(re.fullmatch(r"-?\d+", name) for name in class_names) and {
        str(int(number)) for number in np.unique(numbers)
    } <= set(class_names)


def _codes(array: NDArray[Any]) -> tuple[list[str], NDArray[np.int32]]:
    values, codes = np.unique(array, return_inverse=True)
    return [str(value) for value in values.tolist()], codes.reshape(-1).astype(np.int32)
