"""The sentences under the figures say what the numbers hold, also where these are unusual."""

import numpy as np
import pytest

from bakeoff.analysis.failures.confusion import row_shares
from bakeoff.report.figures.confusion import _say_errors
from bakeoff.report.figures.curves import _say_losses


@pytest.mark.parametrize(
    ("train", "val", "sentence"),
    [
        (
            [2.0, 1.0, 0.5],
            [1.9, 1.5, 1.75],
            "Mean training loss falls from 2.00 to 0.50; mean validation loss is lowest at epoch 2 (1.50) "
            "and 0.25 higher after the last epoch.",
        ),
        (
            [1.0, 2.0, 3.0],
            [1.9, 1.5, 1.25],
            "Mean training loss does not fall: it goes from 1.00 to 3.00; mean validation loss is lowest "
            "after the last epoch (1.25).",
        ),
        ([2.0], [1.9], "After the one epoch 2.00 in training, 1.90 in validation."),
    ],
)
def test_losses(train: list[float], val: list[float], sentence: str) -> None:
    assert _say_losses(range(1, len(train) + 1), train, val) == sentence


def test_errors_name_the_most_frequent_pair_and_leave_out_empty_classes() -> None:
    counts = np.array([[6.0, 4.0, 0.0], [1.0, 9.0, 0.0], [0.0, 0.0, 0.0]])
    said = _say_errors(counts, row_shares(counts), ("cat", "dog", "none"), 5)
    assert said.replace("\N{NO-BREAK SPACE}", " ") == (
        "Most frequent error: cat taken for dog, 4.0 of 10 images a run (40.0 %). "
        "Best recognised: dog (90.0 %); least: cat (60.0 %)."
    )


def test_no_error_is_said() -> None:
    counts = np.diag([3.0, 5.0])
    said = _say_errors(counts, row_shares(counts), ("cat", "dog"), 1)
    assert said.startswith("No test image is taken for another class.")
