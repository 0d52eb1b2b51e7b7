"""The table of one file's predictions: where a row is, and the first row that is no distribution."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.prediction_files.writing import write_npz

from bakeoff.prediction_files.npz_file import read_npz
from bakeoff.prediction_files.table import PredictionTable, first_bad_probability


def distributions(seed: int, num_rows: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet([1, 1, 1], num_rows).astype(np.float32)


@given(
    seed=st.integers(0, 99),
    rows=st.sets(st.integers(0, 11), min_size=1),
    damage=st.sampled_from(
        [(np.nan, "NaN"), (np.inf, "infinite"), (-0.25, "negative"), (2.0, "probabilities sum to")]
    ),
)
def test_the_first_row_that_is_no_distribution_is_found(seed, rows, damage):
    value, words = damage
    probabilities = distributions(seed)
    assert first_bad_probability(probabilities, 1e-5) is None
    probabilities[sorted(rows), 1] = value
    row, message = first_bad_probability(probabilities, 1e-5)
    assert row == min(rows)
    assert words in message


@pytest.mark.parametrize(
    ("total", "is_bad"), [(0.9951, False), (1.0049, False), (0.994, True), (1.006, True)]
)
def test_rows_rounded_within_the_tolerance_are_taken(total, is_bad):
    probabilities = np.array([[0.5, 0.5], [total - 0.25, 0.25]], np.float32)
    found = first_bad_probability(probabilities, 0.005)
    assert (found is not None) == is_bad
    assert found is None or found[0] == 1


@pytest.mark.parametrize(("lines", "place"), [(np.array([2, 5], np.int32), "p.csv line 5"), (None, "p.csv")])
def test_a_row_is_placed_in_its_file(lines, place):
    zeros = np.zeros(2, np.int32)
    table = PredictionTable(
        Path("p.csv"), [("a", 0)], ["x", "y"], ["cat"], zeros, zeros, zeros, zeros, None, None, lines
    )
    assert table.place(1) == place


def test_what_two_files_have_in_common_is_stored_once(tmp_path):
    first, second = (read_npz(write_npz(tmp_path / f"{seed}.npz", "plain", seed)) for seed in (0, 1))
    shared = second.sharing(first)
    for name in ("image_names", "runs", "images", "labels"):
        assert getattr(shared, name) is getattr(first, name)
    assert shared.run_names == [("plain", 1)]
    assert shared.predicted is second.predicted
    ids = np.array([f"{number}.jpg" for number in range(6)])
    other = read_npz(write_npz(tmp_path / "2.npz", "plain", 2, test_ids=ids, test_labels=np.arange(6) % 2))
    assert other.sharing(first).image_names == ids.tolist()
    assert other.sharing(first).labels.tolist() == [0, 1, 0, 1, 0, 1]
