"""Names of classes that mean the same, and those that do not."""

from pathlib import Path

import pytest
from tests.prediction_files.writing import HEADER, write, write_npz

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions
from bakeoff.predictions import Predictions


def read(path: Path, labels: list[str], predicted: list[str], more: str = "") -> Predictions:
    rows = [
        f"a,0,{image},{label},{guess}"
        for image, (label, guess) in enumerate(zip(labels, predicted, strict=True))
    ]
    return read_predictions([write(path / "p.csv", HEADER + more, rows)])


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [
        (["0", "2", "10"], ["0.0", "2.0", "10.0"]),
        (["0.0", "2.0", "10.0"], ["0", "2", "10"]),
        (["00", "02", "10"], ["0", "2", "10"]),
        (
            ["0", "2", "10"],
            ["0.000000000000000000e+00", "2.000000000000000000e+00", "1.000000000000000000e+01"],
        ),
        (["0", "2", "10"], ["class_0", "class_2", "Class 10"]),
        (["0", "1", "0"], ["False", "True", "False"]),
        (["TRUE", "FALSE", "TRUE"], ["1.0", "0.0", "1.0"]),
        (["Owl", "snowy owl", "cat"], ["owl", "Snowy_Owl", "'cat'"]),
        (["Owl", "caf\u00e9"], ["OWL", "cafe\u0301"]),
    ],
)
def test_predictions_written_differently_from_the_labels_are_right(
    tmp_path: Path, labels: list[str], predicted: list[str]
) -> None:
    found = read(tmp_path, labels, predicted)
    assert found.correct("a").all()
    assert set(found.class_names) == set(labels)
    assert len(found.notes) == 1
    assert f"{predicted[0]!r} as {labels[0]!r}" in found.notes[0]


def test_names_that_tell_labels_apart_stay_apart(tmp_path: Path) -> None:
    found = read(tmp_path, ["A", "a", "b"], ["A", "A", "B"])
    assert found.class_names == ("A", "a", "b")
    assert found.correct("a").tolist() == [[True, False, True]]
    assert "'A'" not in found.notes[0]


def test_true_is_no_class_where_there_are_others(tmp_path: Path) -> None:
    found = read(tmp_path, ["0", "1", "2"], ["0", "True", "2"])
    assert found.correct("a").tolist() == [[True, False, True]]
    assert found.notes == ("'True' is predicted 1 time and is the label of no image.",)


def test_names_are_unified_over_files_and_columns_of_probabilities(tmp_path: Path) -> None:
    npz = write_npz(tmp_path / "run.npz", "a", 0)
    rows = [f"b,0,{image}.png,{('Cat', 'Dog', 'Ship')[image % 3]},cat,0.8,0.1,0.1" for image in range(6)]
    found = read_predictions([npz, write(tmp_path / "b.csv", HEADER + ",p_CAT,p_dog,p_ship", rows)])
    assert found.class_names == ("cat", "dog", "ship")
    assert found.correct("b").tolist() == [[True, False, False, True, False, False]]


def test_two_columns_of_probabilities_are_two_classes(tmp_path: Path) -> None:
    rows = ["a,0,1,cat,cat,0.8,0.2", "a,0,2,CAT,CAT,0.2,0.8"]
    found = read_predictions([write(tmp_path / "p.csv", HEADER + ",p_cat,p_CAT", rows)])
    assert found.class_names == ("cat", "CAT")
    rows[1] = rows[1].replace("CAT,CAT", "Cat,CAT")
    with pytest.raises(BakeoffError, match="the label 'Cat' is none of the classes cat, CAT"):
        read_predictions([write(tmp_path / "p.csv", HEADER + ",p_cat,p_CAT", rows)])
