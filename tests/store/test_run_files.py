"""The files of one run: the same bytes each time, and the state that they tell."""

import csv
from dataclasses import replace

import pytest

from bakeoff.store import load_study_folder, prepare_folder, run_state, save_failure, save_run
from bakeoff.store.run_files import load_history


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


def test_history_is_a_plain_csv(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    with layout.history("lenet5", 0).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1"]
    assert float(rows[0]["val_loss"]) == run.history[0].val_loss


def test_attributions_of_a_run_before_do_not_stay(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    save_run(layout, study, "lenet5", 0, "the identity", replace(run, attributions=None), data)
    assert not layout.attributions("lenet5", 0).exists()


def test_a_history_without_epochs_is_damaged(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,seconds\n")
    with pytest.raises(ValueError, match=r"history\.csv has no epochs"):
        load_history(tmp_path / "history.csv")
