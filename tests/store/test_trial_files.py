"""The files of a trial: what is kept, what is read, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from tests.digests import forget_digests

from bakeoff.errors import BakeoffError
from bakeoff.store import (
    load_sized_runs,
    load_trials,
    remove_trial,
    run_state,
    save_failure,
    save_sized_run,
    save_trial,
    study_status,
    verify_study,
)
from bakeoff.store.arrays import MemoryBudget
from bakeoff.study import Study, study_to_toml


@pytest.fixture
def tuned(study) -> Study:
    """The study with a search space in one recipe, and two trials."""
    search = {"optimizer.lr": {"low": 0.001, "high": 0.1, "log": True}}
    return study.changed(
        tune={"trials": 2}, recipes={"lenet5": study.recipes["lenet5"].changed(search=search)}
    )


def test_a_trial_keeps_its_history_and_validation_logits_alone(layout, tuned, data, run):
    save_trial(layout.trials, "lenet5", 0, "a", replace(run, test_logits=run.test_logits[:0]), data)
    folder = layout.root / "tune" / "lenet5" / "trial-0"
    assert {path.name for path in folder.iterdir()} == {"files.json", "history.csv", "predictions.npz"}
    assert all(layout.is_own(path) for path in folder.iterdir())
    (trial,) = load_trials(layout, tuned)
    np.testing.assert_array_equal(trial.val_logits, run.val_logits)
    np.testing.assert_array_equal(trial.val_labels, data.val.labels)
    assert (trial.recipe, trial.number, trial.reason) == ("lenet5", 0, "")
    assert trial.seconds == pytest.approx(sum(record.seconds for record in run.history))
    assert run_state(layout.trials, "lenet5", 0, "a") == "finished"
    assert run_state(layout.trials, "lenet5", 0, "b") == "other"
    assert run_state(layout, "lenet5", 0, "a") == "missing"  # as a run of seed 0


def test_a_failed_trial_has_its_reason(layout, tuned):
    save_failure(layout.trials, "lenet5", 1, "a", "loss is nan", try_again=False)
    (trial,) = load_trials(layout, tuned)
    assert (trial.number, trial.reason, len(trial.val_logits)) == (1, "loss is nan", 0)


def test_a_trial_that_was_changed_is_noticed(layout, tuned, data, run):
    save_trial(layout.trials, "lenet5", 0, "a", run, data)
    path = layout.trials.predictions("lenet5", 0)
    path.write_bytes(path.read_bytes()[:-9] + b"otherbyte")
    assert any("trial-0" in difference for difference in verify_study(layout.root).differences)


@pytest.mark.parametrize("damage", ["no labels", "a label of no class", "not finite", "not an archive"])
def test_a_damaged_trial_is_refused(layout, tuned, data, run, damage):
    save_trial(layout.trials, "lenet5", 0, "a", run, data)
    path = layout.trials.predictions("lenet5", 0)
    with np.load(path) as stored:
        arrays = dict(stored)
    if damage == "no labels":
        arrays["val_labels"] = arrays["val_labels"][:0]
    elif damage == "a label of no class":
        arrays["val_labels"] = arrays["val_labels"] + 10
    elif damage == "not finite":
        arrays["val_logits"] = arrays["val_logits"] * np.float32(np.nan)
    np.savez(path, **arrays)
    if damage == "not an archive":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert load_trials(layout, tuned) == ()  # as if it had not been made
        return
    with pytest.raises(BakeoffError, match=r"trial-0 is damaged \(.*\); delete it and run the study again"):
        load_trials(layout, tuned)


def test_a_removed_trial_is_missing(layout, data, run):
    save_trial(layout.trials, "lenet5", 0, "a", run, data)
    remove_trial(layout.trials, "lenet5", 0)
    assert run_state(layout.trials, "lenet5", 0, "a") == "missing"
    with pytest.raises(BakeoffError, match="cannot remove"):
        remove_trial(layout.trials, "lenet5", 0)


def test_the_status_of_trials(layout, tuned, data, run):
    forget_digests(layout.root)
    layout.study.write_text(study_to_toml(tuned))
    save_trial(layout.trials, "lenet5", 0, "a", run, data)
    _, statuses = study_status(layout.root)
    assert [(s.recipe, s.seed, s.state) for s in statuses if s.trial] == [
        ("lenet5", 0, "finished"),
        ("lenet5", 1, "waiting"),
    ]
    assert len([s for s in statuses if not s.trial]) == 4


def sized(study: Study, layout, run, data):
    """The study with one number of training images, and a run with as many."""
    study = study.changed(train_sizes=[10], seeds=2)
    place = layout.at_size(10)
    save_sized_run(place, "lenet5", 1, "a", run, data)
    return study, place


def test_a_run_with_fewer_images_keeps_its_test_logits_and_no_weights(layout, study, data, run):
    study, place = sized(study, layout, run, data)
    folder = layout.root / "sizes" / "10" / "lenet5" / "seed-1"
    assert {path.name for path in folder.iterdir()} == {"files.json", "history.csv", "predictions.npz"}
    assert all(layout.is_own(path) for path in folder.iterdir())
    shape = (len(data.test), data.num_classes)
    (stored,) = load_sized_runs(layout, study, len(data.train), shape, MemoryBudget())
    np.testing.assert_array_equal(stored.test_logits, run.test_logits)
    assert (stored.recipe, stored.seed, stored.size, stored.num_train) == ("lenet5", 1, 10, len(data.train))
    assert run_state(place, "lenet5", 1, "a") == "finished"
    assert run_state(layout, "lenet5", 1, "a") == "missing"
    assert not load_sized_runs(layout, study, 10, shape, MemoryBudget())  # all images are not fewer


@pytest.mark.parametrize(
    "damage", [{"test_logits": np.zeros((2, 2), np.float32)}, {"num_train": np.array(0)}]
)
def test_a_damaged_run_with_fewer_images_is_refused(layout, study, data, run, damage):
    study, place = sized(study, layout, run, data)
    path = place.predictions("lenet5", 1)
    with np.load(path) as stored:
        arrays = {**stored, **damage}
    np.savez(path, **arrays)
    with pytest.raises(BakeoffError, match=r"seed-1 is damaged \(.*delete it and run the study again"):
        load_sized_runs(layout, study, len(data.train), (len(data.test), data.num_classes), MemoryBudget())


def test_a_changed_run_with_fewer_images_is_noticed(layout, study, data, run):
    _, place = sized(study, layout, run, data)
    path = place.predictions("lenet5", 1)
    path.write_bytes(path.read_bytes()[:-9] + b"otherbyte")
    assert any("sizes/10/lenet5" in difference for difference in verify_study(layout.root).differences)
