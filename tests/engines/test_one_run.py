"""One run from beginning to end: what it tells, what it keeps, and what becomes of an error."""

import json

import numpy as np
import pytest
from safetensors import safe_open

from bakeoff.analysis.summary.study import Summary
from bakeoff.data import load_data
from bakeoff.data.drawing import images_of_run
from bakeoff.engines import EpochDone, Job, Task
from bakeoff.engines.engine import RunFailed, RunFinished, RunStarted
from bakeoff.engines.one_run import FolderOutput, do_run, failure_of
from bakeoff.engines.stacked import StackedEngine
from bakeoff.errors import BakeoffError
from bakeoff.own_code import source_digest
from bakeoff.store import load_study_folder, prepare_folder, run_state
from bakeoff.study import load_study
from bakeoff.training import TrainingFailure

STUDY = load_study("quickstart", epochs=2, seeds=1, recipes=["lenet5"])
TASK = Task("lenet5", 0, "identity")


@pytest.fixture(scope="module")
def small_data():
    return load_data(STUDY.data)


@pytest.fixture
def layout(tmp_path, small_data):
    return prepare_folder(tmp_path / "study", STUDY, small_data, {})


def test_a_run_tells_each_epoch_and_is_in_the_folder_when_it_says_so(layout, small_data):
    events = []

    def tell(event):
        if isinstance(event, RunFinished):
            assert run_state(layout, "lenet5", 0, "identity") == "finished"
        events.append(event)

    leftover = layout.run_tensorboard("lenet5", 0) / "events of an attempt before"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    do_run(TASK, STUDY, lambda: small_data, FolderOutput(TASK, STUDY, layout), tell)
    assert [type(event) for event in events] == [RunStarted, EpochDone, EpochDone, RunFinished]
    assert [event.record.epoch for event in events[1:3]] == [1, 2]
    assert not leftover.exists()
    (log,) = leftover.parent.iterdir()
    assert "tfevents" in log.name


def test_images_that_are_gone_fail_the_run_and_the_next_command_tries_again(layout):
    events = []

    def gone():
        raise BakeoffError("the decoded images are gone")

    do_run(TASK, STUDY, gone, FolderOutput(TASK, STUDY, layout), events.append)
    assert events == [RunStarted(TASK), RunFailed(TASK, "the decoded images are gone", try_again=True)]
    assert run_state(layout, "lenet5", 0, "identity") == "missing"


def test_code_that_was_edited_while_the_study_ran_fails_the_run(layout, small_data, tmp_path, monkeypatch):
    """An edit of a file that the model's file imports, too: the seeds would be of two models."""
    (tmp_path / "edited_nets.py").write_text(
        "from edited_part import WIDTH\nfrom torch import nn\n\n\nclass Net(nn.Sequential):\n"
        "    def __init__(self, num_classes, image_size):\n"
        "        layers = nn.Linear(3 * image_size**2, WIDTH), nn.Linear(WIDTH, num_classes)\n"
        "        super().__init__(nn.Flatten(), *layers)\n"
    )
    part = tmp_path / "edited_part.py"
    part.write_text("WIDTH = 8\n")
    monkeypatch.syspath_prepend(tmp_path)
    recipe = STUDY.recipes["lenet5"].changed(model="edited_nets:Net")
    study = STUDY.changed(recipes={"lenet5": recipe})
    own_code = {path: source_digest(path) for path in recipe.own_classes}
    ends = []
    for content in ("WIDTH = 8\n", "WIDTH = 9\n"):
        part.write_text(content)
        events = []
        output = FolderOutput(TASK, study, layout)
        do_run(TASK, study, lambda: small_data, output, events.append, own_code=own_code)
        ends.append(events[-1])
    assert ends[0] == RunFinished(TASK)
    assert ends[1].try_again
    assert ends[1].reason.startswith("the files of edited_nets:Net were edited while the study ran; ")


def test_a_driver_that_is_gone_ends_the_run(layout, small_data):
    def tell(event):
        if isinstance(event, EpochDone):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        do_run(TASK, STUDY, lambda: small_data, FolderOutput(TASK, STUDY, layout), tell)


def test_only_a_loss_that_diverges_is_not_tried_again(capsys):
    assert failure_of(TASK, TrainingFailure("loss is nan")) == RunFailed(TASK, "loss is nan", try_again=False)
    assert failure_of(TASK, BakeoffError("no space")) == RunFailed(TASK, "no space", try_again=True)
    assert "Traceback" not in capsys.readouterr().err
    found = failure_of(TASK, LookupError("nothing found"))
    assert found == RunFailed(TASK, "LookupError: nothing found", try_again=True)
    assert "LookupError: nothing found" in capsys.readouterr().err


def test_a_log_begun_elsewhere_grows_and_a_place_for_none_is_told(layout):
    output = FolderOutput(TASK, STUDY, layout)
    output.append_to_log("events", b"one ")
    output.append_to_log("events", b"two")
    assert (output.log_directory / "events").read_bytes() == b"one two"
    (output.log_directory / "folder").mkdir()
    with pytest.raises(BakeoffError, match=r"cannot write .*folder: Is a directory"):
        output.append_to_log("folder", b"")


SPLIT = STUDY.changed(
    seeds=2,
    recipes={"lenet5": STUDY.recipes["lenet5"].changed(vary=["weights", "order", "split"], epochs=1)},
)


def test_a_run_that_draws_its_images_is_stored_with_these(tmp_path, small_data):
    layout = prepare_folder(tmp_path / "study", SPLIT, small_data, {})
    val_ids, shapes = [], []
    for seed in (0, 1):
        task, events = Task("lenet5", seed, "identity"), []
        do_run(task, SPLIT, lambda: small_data, FolderOutput(task, SPLIT, layout), events.append)
        assert isinstance(events[-1], RunFinished)
        with np.load(layout.predictions("lenet5", seed)) as stored:
            val_ids.append(tuple(stored["val_ids"]))
            shapes.append(stored["train_true_probability"].shape)
            assert tuple(stored["test_ids"]) == small_data.test.ids
        drawn = images_of_run(small_data, seed, own_split=True, size=None)
        assert val_ids[-1] == drawn.val.ids
        with safe_open(layout.weights("lenet5", seed), "np") as file:
            preprocessing = json.loads(file.metadata()["bakeoff"])["preprocessing"]
        assert preprocessing["mean"] == pytest.approx(drawn.mean)
    assert val_ids[0] != val_ids[1]
    assert shapes == [(1, len(small_data.train))] * 2
    (recipe,) = load_study_folder(layout.root).predictions().recipes
    assert recipe.overlap == len(small_data.train) / len(small_data.val)
    evidence = Summary(load_study_folder(layout.root)).evidence
    assert evidence.recipes["lenet5"].neighbors is None
    assert evidence.recipes["lenet5"].history is None


def test_a_trial_draws_no_images_so_that_trials_compare(small_data):
    assert Task("lenet5", 0, "identity").draws_images(SPLIT)
    assert not Task("lenet5", 0, "identity", trial=True).draws_images(SPLIT)
    assert Task("lenet5", 0, "identity").images(STUDY, small_data, None) is small_data


def test_on_a_gpu_each_such_run_has_its_own_images(tmp_path, small_data):
    layout = prepare_folder(tmp_path / "study", SPLIT, small_data, {})
    tasks = [Task("lenet5", seed, "identity") for seed in (0, 1)]
    list(StackedEngine("cpu").do(tasks, Job(SPLIT, small_data.directory, layout.root)))
    for seed in (0, 1):
        with np.load(layout.predictions("lenet5", seed)) as stored:
            drawn = images_of_run(small_data, seed, own_split=True, size=None)
            assert tuple(stored["val_ids"]) == drawn.val.ids
