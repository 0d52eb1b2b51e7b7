"""Predictions from arrays in memory: what is taken, and what is refused with which words."""

import numpy as np
import pandas as pd
import pytest
import torch
from tests.prediction_files.sample import CLASSES, predictions
from tests.prediction_files.test_compare import write_csv

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions
from bakeoff.prediction_files.arrays import read_arrays

LABELS = np.array([0, 1, 2, 0, 1, 2])
NAMES = ("cat", "dog", "ship")
PREDICTED = np.array([[0, 1, 2, 0, 1, 0], [0, 1, 2, 1, 1, 2]])
PROBABILITIES = np.eye(3)[PREDICTED] * 0.7 + 0.1


@pytest.mark.parametrize(
    "given",
    [
        PREDICTED,
        PREDICTED.tolist(),
        PREDICTED.astype(float),
        [pd.Series(run) for run in PREDICTED],
        [torch.tensor(run) for run in PREDICTED],
        np.array(NAMES)[PREDICTED],
        PROBABILITIES,
        [pd.DataFrame(run) for run in PROBABILITIES],
        torch.tensor(PROBABILITIES, dtype=torch.float16),
    ],
)
@pytest.mark.parametrize("labels", [LABELS, [NAMES[label] for label in LABELS]])
def test_classes_and_probabilities_are_taken_in_any_form(given, labels):
    found = read_arrays(labels, {"plain": given}, class_names=NAMES)
    assert found.class_names == NAMES
    assert found.labels.tolist() == LABELS.tolist()
    assert found.recipe("plain").seeds == (0, 1)
    assert found.recipe("plain").predicted.tolist() == PREDICTED.tolist()
    assert found.image_ids == ("0", "1", "2", "3", "4", "5")


def test_one_run_and_unequal_numbers_of_seeds_are_taken():
    found = read_arrays(LABELS, {"one": PREDICTED[0], "chances": PROBABILITIES[0], "two": PREDICTED})
    assert [recipe.num_seeds for recipe in found.recipes] == [1, 1, 2]
    assert found.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (LABELS, ("0", "1", "2")),
        (LABELS * 9 + 1, ("1", "10", "19")),
        (np.array(["b", "a", "c"])[LABELS], ("a", "b", "c")),
        (LABELS % 2 == 1, ("False", "True")),
        (LABELS.astype(float), ("0", "1", "2")),
    ],
)
def test_columns_of_probabilities_are_the_numbers_from_0_or_the_labels_in_order(labels, names):
    codes = np.unique(labels, return_inverse=True)[1]
    chances = np.eye(len(names))[codes] * 0.5 + 0.5 / len(names)
    found = read_arrays(labels, {"plain": chances[None]})
    assert found.class_names == names
    assert found.correct("plain").all()


def test_groups_are_those_of_the_images_in_order():
    found = read_arrays(LABELS, {"plain": PREDICTED}, groups=["p", "p", "q", "q", "r", "r"])
    assert found.groups.tolist() == [0, 0, 1, 1, 2, 2]


def test_arrays_give_what_their_csv_file_gives(tmp_path):
    given = predictions(num_images=60)
    from_file = read_predictions([write_csv(tmp_path / "p.csv", given)])
    order = [given.image_ids.index(name) for name in from_file.image_ids]
    found = read_arrays(
        given.labels[order],
        {recipe.name: recipe.predicted[:, order] for recipe in given.recipes},
        class_names=CLASSES,
    )
    assert (found.labels == from_file.labels).all()
    for recipe in found.recipes:
        assert (recipe.predicted == from_file.recipe(recipe.name).predicted).all()


def with_value(array, value):
    changed = array.astype(float)
    changed[1, 3] = value
    return changed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"predictions": {"a": PREDICTED[:, :5]}},
            r"predictions\['a'\] has shape \[2, 5\]; .* with 6 images",
        ),
        ({"predictions": {"a": [PREDICTED[0], PREDICTED[1, :5]]}}, r"has shape \[\[6\], \[5\]\]"),
        ({"predictions": {"a": [PREDICTED[0], PROBABILITIES[1]]}}, r"has shape \[\[6\], \[6, 3\]\]"),
        ({"predictions": {"a": "cat"}}, r"has shape \[\]"),
        ({"predictions": {" ": PREDICTED}}, r"predictions\[' '\] has an empty name"),
        ({"predictions": {"a": []}}, r"has shape \[0\]"),
        ({"predictions": {}}, "predictions: found dict without recipes; expected a dict such as"),
        ({"predictions": [PREDICTED]}, "predictions: found list; expected a dict"),
        ({"labels": np.eye(3)[LABELS]}, r"labels has shape \[6, 3\]; .* one-hot labels, pass labels.argmax"),
        ({"labels": [*"abca", None, "b"]}, r"labels has a missing value \(None\), first at 4"),
        ({"labels": [0, 1, 2, np.nan, 1, 2]}, r"labels has a missing value \(nan\), first at 3"),
        ({"predictions": {"a": with_value(PREDICTED, np.nan)}}, r"predictions\['a'\] has a missing value"),
        ({"predictions": {"a": with_value(PREDICTED, 0.3)}}, r"has the class 0\.3; expected whole .*1 - p"),
        ({"predictions": {"a": PROBABILITIES[:, :, :1]}}, "has one column; expected the prob.*1 - p"),
        (
            {"predictions": {"a": PROBABILITIES[:, :, :2]}},
            "seed 0, image 0: the probabilities sum to 0.9; .*; give those of all classes, ",
        ),
        (
            {"predictions": {"a": np.log(PROBABILITIES)}},
            "seed 0, image 0: a probability is negative .*softmax",
        ),
        ({"predictions": {"a": with_value(PROBABILITIES, np.nan)}}, "seed 1, image 3: a probability is NaN"),
        (
            {"predictions": {"a": np.eye(2)[PREDICTED % 2]}},
            "of 2 classes, and the labels name 3: .*class_names",
        ),
        ({"predictions": {"a": PROBABILITIES}, "class_names": ["x", "y", "z", "w"]}, "class_names has 4: "),
        (
            {"labels": np.array([1, 2, 2, 1, 1, 2]), "predictions": {"a": PROBABILITIES}},
            r"no label is 0: the columns may be those of 0 to 2, or of 1 to 3; .* or range\(1, 4\)",
        ),
        (
            {"class_names": ["cat", "dog"]},
            r"labels has the class 2; expected 0\.\.1, the places in class_names",
        ),
        ({"class_names": ["cat", "dog", "cat"]}, "class_names has a name more than once"),
        (
            {"labels": np.array(["cat", "dog", "frog"])[LABELS], "class_names": NAMES},
            r"predictions\['a'\]: the label 'frog' is none of the classes cat, dog, ship",
        ),
        ({"labels": np.array(NAMES)[LABELS]}, "no prediction of recipe 'a' seed 0 is the label of an image"),
        ({"groups": [1, 2]}, "groups has 2 entries; expected one for each of 6 images"),
        ({"labels": np.array(["2020-01-01"] * 6, "M8[D]")}, r"labels has values of type datetime64\[D\]"),
    ],
)
def test_arrays_with_a_mistake_are_refused(arguments, message):
    with pytest.raises(BakeoffError, match=message):
        read_arrays(**{"labels": LABELS, "predictions": {"a": PREDICTED}} | arguments)


def test_names_that_are_numbers_are_what_numbers_mean():
    labels = np.array([1, 2, 2, 1, 1, 2])
    by_name = read_arrays(labels, {"a": PROBABILITIES}, class_names=range(1, 4))
    by_place = read_arrays(labels - 1, {"a": PROBABILITIES}, class_names=range(1, 4))
    assert by_name.class_names == by_place.class_names == ("1", "2", "3")
    assert (by_name.labels == labels - 1).all()
    assert (by_place.labels == labels - 1).all()


def test_ties_that_single_precision_makes_are_noted():
    """As of a naive Bayes classifier: most probabilities are nearer to 1 than single precision can tell."""
    certain = np.eye(3)[PREDICTED] * (1 - 3e-12) + 1e-12
    (note,) = read_arrays(LABELS, {"bayes": certain, "plain": PROBABILITIES}).notes
    assert note.startswith(
        "In 16.7 % of the rows of bayes a wrong class has the probability 1 in single precision"
    )
