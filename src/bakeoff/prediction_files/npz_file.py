"""Reading predictions from an NPZ file as Bakeoff writes it, one run per file."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files.table import LONGEST_NAME, PredictionTable, first_bad_probability
from bakeoff.store.arrays import array_names, read_arrays
from bakeoff.text import counted

KEYS = ("recipe", "seed", "class_names", "test_logits", "test_labels", "test_ids")

LARGEST_LOGIT = 1e300
"""Larger logits are treated as infinite, because the difference of two must be finite."""


_SUM_TOLERANCE = 1e-3
"""Rows of logits within this of 1, none negative, are probabilities."""

_ROWS = 4096
"""As many images at a time take the processor's cache, not new memory."""


def read_npz(path: Path) -> PredictionTable:
    """Read the test predictions of one run.

    The file holds `recipe` (str), `seed` (int), `class_names` (str [K]), `test_logits` (float [N, K]),
    `test_labels` (int [N]) and `test_ids` (str [N]); other arrays in it are not read.

    Raises
    ------
    BakeoffError
        If the file is missing, damaged or lacks an array, or its arrays contain objects or are inconsistent.
    """
    try:
        names_in_file = array_names(path)
        missing = [key for key in KEYS if key not in names_in_file]
        if missing:
            raise BakeoffError(
                f"{path} has no array {missing[0]!r}; expected a predictions.npz of Bakeoff with "
                f"{', '.join(KEYS)}, found {', '.join(names_in_file[:10])[:300] or 'none'}"
            )
        recipe, seed, class_names, logits, labels, ids = read_arrays(path, *KEYS)
    except (OSError, ValueError) as error:
        raise BakeoffError(
            f"cannot read {path} as a predictions.npz of Bakeoff: {str(error)[:500]}; "
            "to make it again, delete the folder of its run and run the study again"
        ) from error
    shapes = f"test_logits {logits.shape}, test_labels {labels.shape}, test_ids {ids.shape}"
    if (
        logits.ndim != 2
        or labels.shape != logits.shape[:1]
        or ids.shape != labels.shape
        or class_names.shape != logits.shape[1:]
        or recipe.shape != ()
        or seed.shape != ()
    ):
        raise BakeoffError(
            f"{path} has inconsistent arrays: {shapes}, class_names {class_names.shape}; expected "
            "[num_images, num_classes], [num_images], [num_images] and [num_classes], recipe and seed scalars"
        )
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all() and (np.abs(labels) < 2**31).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iu" or seed.dtype.kind not in "iu" or logits.dtype.kind != "f":
        raise BakeoffError(
            f"{path} has arrays of the wrong type: test_logits {logits.dtype}, test_labels {labels.dtype}, "
            f"seed {seed.dtype}; expected floating point, integer, integer"
        )
    if any(texts.dtype.kind != "U" for texts in (recipe, class_names, ids)):
        raise BakeoffError(
            f"{path} has arrays of the wrong type: recipe {recipe.dtype}, class_names {class_names.dtype}, "
            f"test_ids {ids.dtype}; expected strings"
        )
    if max(texts.dtype.itemsize // 4 for texts in (recipe, class_names, ids)) > LONGEST_NAME:
        raise BakeoffError(f"{path} has a name of more than {LONGEST_NAME} characters")
    num_images = len(labels)
    if num_images == 0:
        raise BakeoffError(f"{path} has no test images, so no predictions of recipe {recipe.item()!r}")
    names: list[str] = class_names.tolist()
    image_names: list[str] = ids.tolist()
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise BakeoffError(f"{path} has the class {repeated!r} more than once in class_names")
    outside = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if len(outside):
        image = int(outside[0])
        raise BakeoffError(
            f"{path}: image {image_names[image]!r} has the label {labels[image]}, "
            f"expected 0..{len(names) - 1}"
        )
    lowest, highest = float(logits.min()), float(logits.max())
    if not (lowest > -LARGEST_LOGIT and highest < LARGEST_LOGIT):  # or NaN
        valid = np.abs(logits.astype(np.float64)) < LARGEST_LOGIT
        bad = np.flatnonzero(~valid.all(axis=1))
        raise BakeoffError(
            f"{path}: the logits of {counted(len(bad), 'image')} are NaN or infinite, first of image "
            f"{image_names[int(bad[0])]!r}; a run whose loss diverged cannot be compared"
        )
    # The lowest first: it is found in a fraction of the time of the sums of rows.
    are_probabilities = (
        lowest >= 0 and first_bad_probability(logits.astype(np.float64), _SUM_TOLERANCE) is None
    )
    predicted, probabilities = _predictions(logits, are_probabilities)
    return PredictionTable(
        path=path,
        run_names=[(str(recipe.item()), int(seed))],
        image_names=image_names,
        class_names=names,
        runs=np.zeros(num_images, dtype=np.int32),
        images=np.arange(num_images, dtype=np.int32),
        labels=labels.astype(np.int32),
        predicted=predicted,
        probabilities=probabilities,
        declared_classes=tuple(names),
        lines=None,
        notes=(f"{path}: test_logits were read as probabilities, since each row sums to 1.",)
        if are_probabilities
        else (),
    )


def _predictions(
    logits: NDArray[np.floating], are_probabilities: bool
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The most probable classes, and the probabilities, in memory that the system gets back when dropped.

    The allocator keeps that of arrays of a few megabytes: those of all files were in memory twice.
    """
    memory = mmap.mmap(-1, logits.size * np.dtype(np.float32).itemsize)
    probabilities = np.frombuffer(memory, np.float32).reshape(logits.shape)
    predicted = np.empty(len(logits), np.int32)
    for start in range(0, len(logits), _ROWS):
        images = slice(start, start + _ROWS)
        rows = logits[images].astype(np.float64)
        predicted[images] = most_probable = rows.argmax(axis=1)
        if not are_probabilities:  # the softmax; of short rows, the maximum takes longer than where it is
            rows -= np.take_along_axis(rows, most_probable[:, None], axis=1)
            np.exp(rows, out=rows)
            rows /= rows.sum(axis=1, keepdims=True)
        probabilities[images] = rows
    return predicted, probabilities
