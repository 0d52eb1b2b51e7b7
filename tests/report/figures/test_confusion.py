"""The sentence under a confusion matrix says what it holds, also where it is unusual."""

import numpy as np

from bakeoff.analysis.failures.confusion import row_shares
from bakeoff.report.figures.confusion import _say_errors


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
