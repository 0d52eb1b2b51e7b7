"""What runs predicted for other images: kept by run, read only beside the run and the images it is of."""

from dataclasses import replace

import numpy as np
import pytest
from tests.digests import forget_digests

from bakeoff.data.image_data import NEW
from bakeoff.errors import BakeoffError
from bakeoff.store import save_run
from bakeoff.store.arrays import MemoryBudget
from bakeoff.store.other_images import (
    OtherImages,
    fingerprint_of,
    load_other_images,
    load_tests,
    missing_tests,
    save_other_images,
    save_test,
)


@pytest.fixture
def tested(layout, study, data, run):
    """The study with one finished run, tested on the validation images."""
    study = study.changed(tests={"val": {"source": "digits"}})
    save_run(layout, study, "lenet5", 0, "identity", run, data)
    of_test, split = layout.test("val"), data.val
    assert missing_tests(layout, of_test, study) == [("lenet5", 0, "identity")]
    of_test.runs.mkdir(parents=True)
    fingerprint = fingerprint_of(split)
    known = np.full(len(split), NEW, np.int64)
    save_other_images(of_test, OtherImages(split.labels, split.ids, ("a",) * len(split), fingerprint, known))
    save_test(of_test, "lenet5", 0, "identity", fingerprint, run.val_logits)
    return study


def load(layout, study):
    return load_tests(layout, study, 10, MemoryBudget())


def test_what_is_written_is_read(layout, tested, data, run):
    assert missing_tests(layout, layout.test("val"), tested) == []
    (test,) = load(layout, tested)
    np.testing.assert_array_equal(test.logits["lenet5", 0], run.val_logits)
    predictions = test.predictions(tested, data.class_names)
    assert [(recipe.name, recipe.seeds) for recipe in predictions.recipes] == [("lenet5", (0,))]
    np.testing.assert_array_equal(predictions.labels, data.val.labels)
    assert predictions.num_groups == 1
    folder = layout.test("val").runs
    assert all(layout.is_own(path) for path in folder.rglob("*") if path.is_file())


def test_predictions_of_a_run_that_was_trained_anew_do_not_count(layout, tested, data, run):
    save_run(layout, tested, "lenet5", 0, "another", run, data)
    assert load(layout, tested)[0].logits == {}
    assert missing_tests(layout, layout.test("val"), tested) == [("lenet5", 0, "another")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": lambda old: old[:-1]}, "logits are float32"),
        ({"logits": lambda old: old * np.float32(np.nan)}, "expected finite"),
        ({"images": lambda old: np.array("0" * 64)}, "for other images"),
    ],
)
def test_damage_is_named(layout, tested, change, message):
    path = layout.test("val").predictions("lenet5", 0)
    with np.load(path) as stored:
        arrays = {name: change[name](array) if name in change else array for name, array in stored.items()}
    np.savez(path, **arrays)
    with pytest.raises(BakeoffError, match=r"expected .* bytes|has changed"):
        load(layout, tested)
    forget_digests(layout.root)
    with pytest.raises(BakeoffError, match=message):
        load(layout, tested)


def test_damaged_labels_are_named(layout, tested):
    of_test = layout.test("val")
    images = load_other_images(of_test, 10)
    with pytest.raises(BakeoffError, match=r"labels are 0..9, expected 0..4"):
        load_other_images(of_test, 5)
    of_test.other_images.write_bytes(b"PK")
    with pytest.raises(BakeoffError, match="damaged"):
        load_other_images(of_test, 10)
    assert images is not None


def test_a_fingerprint_is_of_pixels_labels_and_names(data):
    split = data.val
    pixels = np.array(split.images)
    pixels[3, 4, 5] += 1
    labels = np.roll(split.labels, 1)
    others = [
        split,
        replace(split, images=pixels),
        replace(split, labels=labels),
        replace(split, ids=split.ids[::-1]),
        replace(split, groups=("a",) * len(split)),
    ]
    assert len({fingerprint_of(other) for other in others}) == len(others)
