"""Predictions that do not fit their labels or their probabilities."""

from pathlib import Path

import pytest
from tests.prediction_files.writing import HEADER, HEADER_P, ROWS, WITH_P, write, write_npz

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions


def test_a_run_without_any_label_among_its_predictions_is_refused(tmp_path: Path) -> None:
    rows = [*ROWS[:-2], "wide,0,one.png,cat,0", "wide,0,two.png,dog,1"]
    with pytest.raises(BakeoffError) as refused:
        read_predictions([write(tmp_path / "p.csv", HEADER, rows)])
    assert "no prediction of recipe 'wide' seed 0 is the label of an image" in str(refused.value)
    assert "predictions: '0', '1'\n  labels: 'cat', 'dog'" in str(refused.value)
    assert "p.csv" in str(refused.value)


def test_a_declared_class_without_images_may_be_all_that_is_predicted(tmp_path: Path) -> None:
    npz = write_npz(tmp_path / "a.npz", "a", 0, test_labels=[0] * 6, test_logits=[[0.0, 1.0, 2.0]] * 6)
    assert read_predictions([npz]).notes == ()


def test_predictions_without_images_of_their_class_are_reported(tmp_path: Path) -> None:
    rows = [*ROWS[:-1], ROWS[-1].replace("dog,dog", "dog,dgo")]
    notes = read_predictions([write(tmp_path / "p.csv", HEADER, rows)]).notes
    assert notes == ("'dgo' is predicted 1 time and is the label of no image.",)


def test_predictions_that_disagree_with_their_probabilities_are_refused(tmp_path: Path) -> None:
    swapped = HEADER_P.replace("p_cat,p_dog", "p_dog,p_cat")
    with pytest.raises(BakeoffError) as refused:
        read_predictions([write(tmp_path / "p.csv", swapped, WITH_P)])
    assert "the predictions of recipe 'plain' disagree with its probabilities in 100.0 % of" in str(
        refused.value
    )
    assert "predictions: 'cat', 'cat'\n  most probable: 'dog', 'dog'" in str(refused.value)


def test_few_disagreements_are_reported_and_ties_are_none(tmp_path: Path) -> None:
    rows = [*WITH_P[:-2], ROWS[-2] + ",0.5,0.5", ROWS[-1] + ",0.6,0.4"]
    notes = read_predictions([write(tmp_path / "p.csv", HEADER_P, rows)]).notes
    assert notes == ("The predictions of wide are not its most probable classes in 50.0 % of the rows.",)
