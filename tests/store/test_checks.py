"""Whether what a study folder holds can be what was written there."""

import numpy as np
import pytest

from bakeoff.store.checks import (
    HISTORY_COLUMNS,
    check_data,
    check_history,
    check_images,
    check_run,
)

DATA = {
    "source": "digits",
    "fingerprint": "f",
    "image_size": 32,
    "class_names": ["a", "b"],
    "counts": {"train": [5, 5], "val": [1, 1], "test": [2, 2]},
    "mean": [0.1, 0.2, 0.3],
    "std": [0.1, 0.2, 0.3],
    "notes": [],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 0}, "data.json: image_size: found 0"),
        ({"class_names": ["a"]}, "data.json: class_names"),
        ({"counts": {"train": [5, 5], "val": [1, 1]}}, "data.json: counts"),
        ({"counts": DATA["counts"] | {"test": [2, 2, 2]}}, "counts: expected 2 per split"),
        ({"counts": DATA["counts"] | {"test": [2, -2]}}, "data.json: counts.test.1: found -2"),
        ({"mean": [0.1, float("nan"), 0.3]}, "data.json: mean.1"),
        ({"notes": None}, "data.json: notes"),
    ],
)
def test_data_that_cannot_be_name_their_first_wrong_key(change, message):
    check_data(DATA)
    with pytest.raises(ValueError, match=message):
        check_data(DATA | change)


IMAGES, LABELS = np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 1, 0])


@pytest.mark.parametrize(
    ("images", "labels", "ids", "message"),
    [
        (IMAGES[:3], LABELS, None, "images and labels are inconsistent"),
        (IMAGES.astype(float), LABELS, None, "images and labels are inconsistent"),
        (IMAGES[..., 0], LABELS, None, "images and labels are inconsistent"),
        (IMAGES, LABELS.astype(float), None, "images and labels are inconsistent"),
        (IMAGES, LABELS + 1, None, "labels are 1..2, expected 0..1"),
        (IMAGES, LABELS - 1, None, "labels are -1..0, expected 0..1"),
        (IMAGES, LABELS, np.array(["a"]), "not one text per image"),
        (IMAGES, LABELS, np.arange(4), "not one text per image"),
    ],
)
def test_images_labels_and_ids_that_do_not_fit_are_refused(images, labels, ids, message):
    check_images("test", 2, IMAGES, LABELS, np.array(list("abcd")))
    with pytest.raises(ValueError, match=message):
        check_images("test", 2, images, labels, ids)


ONE, LOGITS, DYNAMICS = np.array(1), np.zeros((4, 2), np.float32), np.zeros((3, 9), np.float16)


@pytest.mark.parametrize(
    ("numbers", "logits", "dynamics", "message"),
    [
        ((ONE, np.array(1.5)), LOGITS, DYNAMICS, "not integers"),
        ((ONE, np.array([1])), LOGITS, DYNAMICS, "not integers"),
        ((ONE, ONE), LOGITS.T, DYNAMICS, "test_logits are"),
        ((ONE, ONE), LOGITS.astype(np.float64), DYNAMICS, "test_logits are"),
        ((ONE, ONE), LOGITS + np.float32(np.inf), DYNAMICS, "not finite"),
        ((ONE, ONE), LOGITS, DYNAMICS[0], "expected two axes"),
    ],
)
def test_arrays_of_a_run_that_cannot_be_are_refused(numbers, logits, dynamics, message):
    check_run((4, 2), (ONE, ONE), LOGITS, DYNAMICS)
    with pytest.raises(ValueError, match=message):
        check_run((4, 2), numbers, logits, dynamics)


def test_a_history_has_all_its_columns_and_an_epoch():
    history = {name: np.ones(1) for name in HISTORY_COLUMNS}
    check_history(history)
    for name in HISTORY_COLUMNS:
        with pytest.raises(ValueError, match=f"no column '{name}'"):
            check_history({other: values for other, values in history.items() if other != name})
    with pytest.raises(ValueError, match="no epoch"):
        check_history({name: np.ones(0) for name in HISTORY_COLUMNS})
