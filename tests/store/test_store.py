"""The study folder: what is written, what is found again, and what is refused."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.files import write_text
from bakeoff.store import (
    Layout,
    load_study_folder,
    lock_folder,
    prepare_folder,
    run_identity,
    run_state,
    save_failure,
    save_run,
)
from bakeoff.study import load_study, study_from_toml
from bakeoff.training import HISTORY_COLUMNS, train


@pytest.fixture(scope="module")
def study():
    return load_study("quickstart", seeds=2, epochs=1, recipes=["lenet5", "lenet5_batch_norm"])


@pytest.fixture(scope="module")
def data(study):
    return load_data(study.data)


@pytest.fixture(scope="module")
def run(study, data):
    torch.set_num_threads(1)
    return train(study.recipes["lenet5"], 0, data)


@pytest.fixture
def layout(tmp_path, study, data):
    return prepare_folder(tmp_path / "study", study, data, {"python": "3"})


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


def test_saving_twice_gives_the_same_bytes(tmp_path, study, data, run):
    contents = []
    for name in ("first", "second"):
        layout = prepare_folder(tmp_path / name, study, data, {})
        save_run(layout, study, "lenet5", 0, "the identity", run, data)
        files = [
            getattr(layout, name)("lenet5", 0)
            for name in ("predictions", "features", "attributions", "weights", "history")
        ]
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]


def test_weights_carry_what_is_needed_to_use_them(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    with safe_open(layout.weights("lenet5", 0), framework="pt") as file:
        metadata = json.loads(file.metadata()["bakeoff"])
        assert set(file.keys()) == set(run.weights)
    assert metadata["class_names"] == list(data.class_names)
    assert metadata["preprocessing"] == {
        "mean": list(data.mean), "std": list(data.std), "image_size": 32,
    }  # fmt: skip


def test_run_state_follows_identity_and_files(layout, study, data, run):
    assert run_state(layout, "lenet5", 0, "a") == "missing"
    save_failure(layout, "lenet5", 0, "a", "loss is nan", try_again=False)
    assert run_state(layout, "lenet5", 0, "a") == "failed"
    assert load_study_folder(layout.root).failures[0].reason == "loss is nan"
    save_run(layout, study, "lenet5", 0, "a", run, data)
    assert run_state(layout, "lenet5", 0, "a") == "finished"
    assert run_state(layout, "lenet5", 0, "b") == "other"
    assert not load_study_folder(layout.root).failures
    layout.weights("lenet5", 0).unlink()
    assert run_state(layout, "lenet5", 0, "a") == "missing"


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut off", b"no archive"])
def test_a_damaged_predictions_file_is_no_finished_run(layout, study, data, run, damage):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    layout.predictions("lenet5", 0).write_bytes(damage)
    assert run_state(layout, "lenet5", 0, "a") == "missing"


def test_identity_changes_with_all_that_decides_a_run(study):
    base = {"data_fingerprint": "d", "training_version": 1, "model_source": ""}
    recipe = study.recipes["lenet5"]
    identities = {
        run_identity(recipe, 0, **base),
        run_identity(recipe, 1, **base),
        run_identity(study.recipes["lenet5_batch_norm"], 0, **base),
        run_identity(recipe, 0, **base | {"data_fingerprint": "e"}),
        run_identity(recipe, 0, **base | {"training_version": 2}),
        run_identity(recipe, 0, **base | {"model_source": "f"}),
    }
    assert len(identities) == 6


def test_more_seeds_and_recipes_may_join_a_folder(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    larger = load_study("quickstart", seeds=4, epochs=1)
    prepare_folder(layout.root, larger, data, {})
    assert study_from_toml(layout.study.read_text(), "study") == larger
    assert len(load_study_folder(layout.root).runs) == 1


def test_a_folder_with_runs_of_other_settings_is_refused_with_the_difference(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    other = load_study("quickstart", seeds=2, epochs=3)
    with pytest.raises(BakeoffError, match=r"recipes\.lenet5\.epochs: was 1, now 3"):
        prepare_folder(layout.root, other, data, {})
    assert study_from_toml(layout.study.read_text(), "study") == study


def test_a_folder_of_other_data_is_refused(layout, study, data):
    smaller = load_data(study.data.model_copy(update={"image_size": 16}))
    with pytest.raises(BakeoffError, match="other images"):
        prepare_folder(layout.root, study, smaller, {})


def test_a_folder_that_holds_something_else_is_refused(tmp_path, study, data):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(BakeoffError, match="not empty and not a study folder") as caught:
        prepare_folder(tmp_path, study, data, {})
    assert caught.value.parameter == "path"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_in_use_is_refused_and_the_parameter_that_waits_is_named(tmp_path):
    in_use = pytest.raises(BakeoffError, match=f"in use by process {os.getpid()}")
    with lock_folder(tmp_path), in_use as caught, lock_folder(tmp_path):
        pass
    assert caught.value.parameter == "wait"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, study, data):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(BakeoffError, match="is a file"):
        prepare_folder(path, study, data, {})


def test_another_format_is_refused(layout, study, data):
    layout.data.write_text(layout.data.read_text().replace('"format_version": 1', '"format_version": 99'))
    for action in (
        lambda: prepare_folder(layout.root, study, data, {}),
        lambda: load_study_folder(layout.root),
    ):
        with pytest.raises(BakeoffError, match="format 99"):
            action()


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


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fails(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    from bakeoff.files import write_atomically

    with pytest.raises(BakeoffError, match="No space left"):
        write_atomically(path, fails)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """A real limit on file size, in a process of its own, stands for the full disk."""
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from bakeoff.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_text(Path(sys.argv[1]) / 'big.txt', 'x' * 5000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_history_is_a_plain_csv(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    with layout.history("lenet5", 0).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1"]
    assert float(rows[0]["val_loss"]) == run.history[0].val_loss


def test_leftovers_of_a_killed_worker_are_cleared(layout, study, data):
    leftover = layout.run("lenet5", 0) / f".predictions.npz.{os.getpid()}.tmp"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    prepare_folder(layout.root, study, data, {})
    assert not leftover.exists()
    assert isinstance(layout, Layout)
    assert Path(layout.root).is_dir()


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
    layout.features("lenet5", 0).unlink()
    layout.train_images.unlink()
    stored = load_study_folder(layout.root)
    assert stored.features_of("lenet5") is None
    assert stored.train_images is None


def test_damaged_features_are_said(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
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


def test_attributions_of_a_run_before_do_not_stay(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    save_run(layout, study, "lenet5", 0, "the identity", replace(run, attributions=None), data)
    assert not layout.attributions("lenet5", 0).exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"maps": np.zeros((1, 16, 16), np.int8)},
        {"maps": np.zeros((3, 16, 15), np.int8)},
        {"maps": np.zeros((3, 16, 16), np.float32)},
        {"image_indices": np.array([0, 1, 359], np.int32)},
        {"image_indices": np.array([0, 0, 1], np.int32)},
        {"scale": np.array([1, np.nan, 1], np.float32)},
    ],
)
def test_attributions_that_cannot_be_are_said(layout, study, data, run, changed):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    whole = {
        "image_indices": np.array([0, 1, 2], np.int32),
        "maps": np.zeros((3, 16, 16), np.int8),
        "scale": np.ones(3, np.float32),
        "error": np.zeros(3, np.float32),
    }
    path = layout.attributions("lenet5", 0)
    np.savez(path, **whole)
    assert load_study_folder(layout.root).attributions_of("lenet5") is not None
    np.savez(path, **whole | changed)
    with pytest.raises(BakeoffError, match="seed-0 is damaged"):
        load_study_folder(layout.root).attributions_of("lenet5")
