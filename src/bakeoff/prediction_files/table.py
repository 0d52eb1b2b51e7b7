"""PredictionTable: the predictions of one file, as columns of codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LONGEST_NAME = 500
"""Characters of a recipe's, an image's or a class's name; more is a mixed-up file."""


@dataclass(frozen=True)
class PredictionTable:
    """What one file predicts; one row is one image in one run.

    Text is kept once: the int32 [num_rows] columns index the lists of names beside them.

    Attributes
    ----------
    path
        The file.
    run_names
        (recipe, seed) of each run.
    image_names, class_names
        As they occur in the file.
    runs, images, labels, predicted
        Columns; labels and predicted index `class_names`.
    probabilities
        float32 [num_rows, num_classes] in the order of `declared_classes`, or None.
    declared_classes
        All classes there are, in order, where the file states them; else None.
    lines
        int32 [num_rows], lines in the file; None for a file without lines.
    """

    path: Path
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

    def place(self, row: int) -> str:
        """Say where a row is, for a message."""
        return f"{self.path}" if self.lines is None else f"{self.path} line {self.lines[row]}"


def first_bad_probability(probabilities: NDArray[np.float32], tolerance: float) -> tuple[int, str] | None:
    """Find the first row that is no probability distribution, and say what is wrong with it.

    Parameters
    ----------
    probabilities
        float32 [num_rows, num_classes].
    tolerance
        How far a row's sum may be from 1.
    """
    sums = probabilities.sum(axis=1)
    # NaN compares false, so that "not within" finds it too.
    bad = ~((np.abs(sums - 1) <= tolerance) & (probabilities.min(axis=1) >= 0))
    if not bad.any():
        return None
    row = int(bad.argmax())
    values = probabilities[row]
    if np.isnan(values).any():
        return row, "a probability is NaN"
    if not np.isfinite(values).all():
        return row, "a probability is infinite"
    if values.min() < 0:
        return row, f"a probability is negative ({values.min():g})"
    return row, f"the probabilities sum to {sums[row]:.4g}, expected 1"
