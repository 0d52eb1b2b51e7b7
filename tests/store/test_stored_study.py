"""All results of a study folder, read back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.digests import forget_digests

from bakeoff.errors import BakeoffError
from bakeoff.store import load_study_folder, prepare_folder, save_run
from bakeoff.training import HISTORY_COLUMNS


def test_a_saved_run_is_found_again_with_its_arrays(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    stored = load_study_folder(layout.root)
    assert stored.study == study
    assert stored.class_names == data.class_names
    assert np.array_equal(stored.test_images, data.test.images)
    (found,) = stored.runs
    assert np.array_equal(found.test_logits, run.test_logits)
    assert np.array_equal(found.train_true_probability, run.train_true_probability)
    assert tuple(found.history) == HISTORY_COLUMNS
    assert found.history["train_loss"].tolist() == [record.train_loss for record in run.history]
    predictions = stored.predictions()
    expected = torch.softmax(torch.from_numpy(run.test_logits), 1).numpy()
    np.testing.assert_allclose(predictions.recipes[0].probabilities[0], expected, atol=1e-6)
    assert [recipe.name for recipe in predictions.recipes] == ["lenet5"]


def test_what_is_no_study_folder_is_refused(tmp_path):
    with pytest.raises(BakeoffError, match="not a study folder"):
        load_study_folder(tmp_path)


def test_a_study_without_a_finished_run_says_how_to_go_on(layout):
    with pytest.raises(BakeoffError, match="no finished run"):
        load_study_folder(layout.root)


def test_class_names_and_ids_of_any_text_survive(tmp_path, study, data, run):
    from dataclasses import replace

    names = ("<script>alert(1)</script>", "=1+1", "日本語", *data.class_names[3:])
    odd = replace(data, class_names=names)
    layout = prepare_folder(tmp_path / "odd", study, odd, {})
    save_run(layout, study, "lenet5", 0, "a", run, odd)
    assert load_study_folder(layout.root).class_names == names


def test_features_are_what_the_kept_weights_multiply_into_the_logits(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    stored = load_study_folder(layout.root)
    assert np.array_equal(stored.train_images, data.train.images)
    assert np.array_equal(stored.train_labels, data.train.labels)
    test, train = stored.features_of("lenet5")
    assert len(test) == len(train) == 1
    assert len(train[0]) == len(data.train)
    weight, bias = (run.weights[f"classifier.5.{name}"].numpy() for name in ("weight", "bias"))
    logits = test[0].astype(np.float32) @ weight.T + bias
    np.testing.assert_allclose(logits, run.test_logits, atol=0.02)


def test_a_folder_of_before_features_were_kept_is_read(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    forget_digests(layout.root)
    layout.features("lenet5", 0).unlink()
    layout.train_images.unlink()
    stored = load_study_folder(layout.root)
    assert stored.features_of("lenet5") is None
    assert stored.train_images is None


def test_damaged_features_are_said(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    forget_digests(layout.root)
    path = layout.features("lenet5", 0)
    path.write_bytes(path.read_bytes()[:100])
    stored = load_study_folder(layout.root)
    with pytest.raises(BakeoffError, match="seed-0 is damaged"):
        stored.features_of("lenet5")


def test_attributions_are_those_of_the_wrong_answers(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    (found,) = load_study_folder(layout.root).attributions_of("lenet5")
    wrong = run.test_logits.argmax(axis=1) != data.test.labels
    assert found.image_indices.tolist() == np.flatnonzero(wrong).tolist() != []
    scale = run.attributions.scale[:, None, None]
    assert np.array_equal(found.maps, run.attributions.maps * scale)
    assert np.array_equal(found.error, run.attributions.error)


def test_a_folder_of_before_attributions_were_kept_is_read(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    save_run(layout, study, "lenet5", 1, "the identity", replace(run, attributions=None), data)
    assert not layout.attributions("lenet5", 1).exists()
    assert load_study_folder(layout.root).attributions_of("lenet5") is None


def test_groups_of_test_images_are_stored_and_may_change_later(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    stored = load_study_folder(layout.root)
    assert stored.test_groups is stored.predictions().groups is None
    groups = tuple(f"patient {index // 4}" for index in range(len(data.test)))
    grouped = replace(data, test=replace(data.test, groups=groups), train=replace(data.train, groups=("p",)))
    prepare_folder(layout.root, study, grouped, {})
    stored = load_study_folder(layout.root)
    assert stored.test_groups == groups
    assert stored.predictions().num_groups == 90
    with np.load(layout.train_images) as arrays:
        assert set(arrays) == {"images", "labels", "ids"}
    written = layout.test_images.stat().st_mtime_ns
    prepare_folder(layout.root, study, grouped, {})
    assert layout.test_images.stat().st_mtime_ns == written
    prepare_folder(layout.root, study, data, {})
    assert load_study_folder(layout.root).test_groups is None


@pytest.mark.parametrize("groups", [np.array(["a"]), np.arange(360), np.array([["a"]] * 360), np.array("a")])
def test_groups_that_cannot_be_are_refused(layout, study, data, run, groups):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    with np.load(layout.test_images) as arrays:
        changed = {**arrays, "groups": groups}
    forget_digests(layout.root)
    np.savez(layout.test_images, **changed)
    with pytest.raises(BakeoffError, match=r"is a damaged study folder: .*groups"):
        load_study_folder(layout.root)
