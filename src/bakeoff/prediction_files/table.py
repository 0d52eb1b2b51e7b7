"""PredictionTable: the predictions of one file, as columns of codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST_NAME = 500
"""Limit for the names of recipes, images and classes in characters; longer ones mean mixed-up columns."""


@dataclass(frozen=True)
class PredictionTable:
    """The predictions in one file; one row is one image in one run.

    Each string is stored once: the int32 [num_rows] columns are indices into the lists of names.

    Attributes
    ----------
    path
        The file, or what names predictions in memory.
    run_names
        (recipe, seed) of each run.
    image_names, class_names
        In the order of the file.
    runs, images, labels, predicted
        The columns; labels and predicted are indices into `class_names`.
    probabilities
        float32 [num_rows, num_classes] in the order of `declared_classes`, or None.
    declared_classes
        All classes in order, if the file declares them; else None.
    lines
        int32 [num_rows], line numbers in the file; None if the file has no lines.
    group_names, groups
        The groups of images and, int32 [num_rows], that of each row's image; None if the file names none.
    notes
        Sentences on what was not read literally.
    """

    path: Path | str
    run_names: list[tuple[str, int]]
    image_names: list[str]
    class_names: list[str]
    runs: NDArray[np.int32]
    images: NDArray[np.int32]
    labels: NDArray[np.int32]
    predicted: NDArray[np.int32]
    probabilities: NDArray[np.float32] | None
    declared_classes: tuple[str, ...] | None
    lines: NDArray[np.int32] | None
    group_names: list[str] | None = None
    groups: NDArray[np.int32] | None = None
    notes: tuple[str, ...] = ()

    def sharing(self, other: PredictionTable) -> PredictionTable:
        """This table with the names and columns of another one where they are equal, to store them once."""
        shared: dict[str, Any] = {}
        if self.image_names == other.image_names:
            shared["image_names"] = other.image_names
        for name in ("runs", "images", "labels"):
            if np.array_equal(getattr(self, name), getattr(other, name)):
                shared[name] = getattr(other, name)
        return replace(self, **shared)

    def place(self, row: int) -> str:
        """The location of a row, for messages."""
        return f"{self.path}" if self.lines is None else f"{self.path} line {self.lines[row]}"


_ROUNDED = 0.1
"""Rows whose sum is off by less are probably rounded to two digits, or to one."""


def first_bad_probability(
    probabilities: NDArray[np.floating], tolerance: float, total: float = 1
) -> tuple[int, str] | None:
    """Find the first row that is not a probability distribution; what is wrong with it, and what to do.

    Parameters
    ----------
    probabilities
        float [num_rows, num_classes].
    tolerance
        Largest difference of a row's sum from the total, as a share of it.
    total
        What each row must sum to.
    """
    sums = probabilities.sum(axis=1)
    # Negated, because comparisons with NaN are false.
    bad = ~((np.abs(sums - total) <= tolerance * total) & (probabilities.min(axis=1) >= 0))
    if not bad.any():
        return None
    row = int(bad.argmax())
    values = probabilities[row]
    remedy = "if they are logits, apply the softmax first"
    if np.isnan(values).any():
        problem = "a probability is NaN"
    elif not np.isfinite(values).all():
        problem = "a probability is infinite"
    elif values.min() < 0:
        problem = f"a probability is negative ({values.min():g})"
    else:
        problem = f"the probabilities sum to {sums[row]:.4g}"
        if abs(sums[row] - total) <= _ROUNDED * total:
            remedy = "give those of all classes, with more digits if they were rounded"
    return row, f"{problem}; expected probabilities in 0..1 that sum to {total:g} in each row; {remedy}"
