"""Predictions from NPZ: what is refused with which words."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from tests.prediction_files.writing import same, write_npz

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_logits": None}, "has no array 'test_logits'"),
        ({"test_labels": np.array([0, 1, 2, 0, 1, 3])}, r"image '5\.png' has the label 3, expected 0\.\.2"),
        ({"test_logits": np.full((6, 3), np.nan, np.float32)}, r"logits of 6 images are NaN .* '0\.png'"),
        ({"test_ids": np.array(["a"] * 5)}, "inconsistent arrays"),
        ({"test_ids": np.array(["0.png"] * 6)}, "^1 prediction occurs more than once"),
        ({"test_labels": np.array([0.5] * 6)}, "wrong type"),
        ({"class_names": np.array(["cat", {}, 1], dtype=object)}, "cannot read"),
        (
            {
                "test_logits": np.zeros((0, 3), np.float32),
                "test_labels": np.zeros(0, int),
                "test_ids": np.zeros(0, "U1"),
            },
            "no predictions of recipe 'a'",
        ),
    ],
)
def test_an_npz_file_with_a_mistake_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BakeoffError, match=message):
        read_predictions([write_npz(tmp_path / "run.npz", "a", 0, **changes)])


def test_a_damaged_npz_file_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "run.npz", "a", 0)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BakeoffError, match="cannot read"):
        read_predictions([path])


def test_whole_numbers_as_labels_and_probabilities_as_logits_are_read(tmp_path: Path) -> None:
    plain = read_predictions([write_npz(tmp_path / "a.npz", "a", 0)])
    probabilities = plain.recipe("a").probabilities
    assert probabilities is not None
    changes = {"test_labels": plain.labels.astype(float), "test_logits": probabilities[0]}
    found = read_predictions([write_npz(tmp_path / "b.npz", "a", 0, **changes)])
    assert same(found, plain)
    assert "were read as probabilities" in found.notes[0]


def test_more_images_than_are_read_at_a_time_are_each_read(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    ids = np.array([f"{number:04}.png" for number in range(5000)])
    labels = logits.argmax(axis=1)
    path = write_npz(tmp_path / "a.npz", "a", 0, test_logits=logits, test_labels=labels, test_ids=ids)
    run = read_predictions([path]).recipe("a")
    assert (run.predicted == labels).all()
    assert run.probabilities is not None
    assert (run.probabilities == softmax(logits.astype(np.float64), axis=1).astype(np.float32)).all()
