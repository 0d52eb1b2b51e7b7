"""Whole studies through the stacked engine, on a CPU: the folder is the one that worker processes write."""

import os
import subprocess
import sys

import numpy as np
import pytest

from bakeoff.engines import ProcessEngine, RunsNotStacked
from bakeoff.engines.stacked import StackedEngine
from bakeoff.kernels import describe_cpu
from bakeoff.report import build_report
from bakeoff.running.run_study import Display, run_study
from bakeoff.store import Layout, load_study_folder, study_status
from bakeoff.study import load_study


class Told(Display):
    """Keeps the events."""

    def __init__(self):
        self.events = []

    def handle(self, event):
        self.events.append(event)

    def of(self, kind):
        return [event for event in self.events if type(event).__name__ == kind]


def study(**changes):
    return load_study("quickstart", **{"seeds": 3, "epochs": 2, **changes})


@pytest.fixture(scope="module")
def by_both(tmp_path_factory):
    """The same study by worker processes and stacked; enough epochs to learn something."""
    folder = tmp_path_factory.mktemp("both")
    chosen, told = study(epochs=6, recipes=["lenet5", "lenet5_batch_norm"]), Told()
    run_study(chosen, folder / "processes", engine=ProcessEngine(1), check=False)
    outcome = run_study(chosen, folder / "stacked", engine=StackedEngine("cpu"), display=told, check=False)
    assert not outcome.failed
    return folder, told


def test_a_stacked_study_is_a_study_like_any_other(by_both):
    folder, told = by_both
    page = build_report(folder / "stacked")
    assert "cpu, stacked" in page.read_text("utf-8")
    assert "different devices" not in page.read_text("utf-8")
    _, statuses = study_status(folder / "stacked")
    assert {status.state for status in statuses} == {"finished"}
    assert len(told.of("RunStarted")) == len(told.of("RunFinished")) == 6
    assert len(told.of("EpochDone")) == 6 * 6
    assert not told.of("RunsNotStacked")
    names = {str(path.relative_to(folder / "stacked")) for path in (folder / "stacked").rglob("seed-*/*")}
    expected = {
        str(path.relative_to(folder / "processes")) for path in (folder / "processes").rglob("seed-*/*")
    }
    assert {name for name in names if "tfevents" not in name} == {
        name for name in expected if "tfevents" not in name
    }
    logs = [name for name in names if "tfevents" in name]
    assert len(logs) == 6


def test_its_runs_are_those_of_the_processes_to_rounding(by_both):
    """Float32, six epochs: losses of the first agree to 3e-3; then rounding grows, for Adam amplifies it."""
    folder, _ = by_both
    stacked, processes = (load_study_folder(folder / name) for name in ("stacked", "processes"))
    for found, expected in zip(stacked.runs, processes.runs, strict=True):
        assert (found.recipe, found.seed) == (expected.recipe, expected.seed)
        assert (found.device, expected.device) == ("cpu, stacked", describe_cpu())
        assert found.history["train_loss"][0] == pytest.approx(expected.history["train_loss"][0], rel=3e-3)
        accuracies = [(run.test_logits.argmax(1) == stacked.test_labels).mean() for run in (found, expected)]
        assert abs(accuracies[0] - accuracies[1]) < 0.03
    assert np.mean([run.history["val_accuracy"][-1] for run in stacked.runs]) > 0.9


def test_tensorboard_holds_the_same_curves(by_both):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, _ = by_both
    curves = []
    for name in ("stacked", "processes"):
        log = EventAccumulator(str(Layout(folder / name).run_tensorboard("lenet5", 1)), {"scalars": 0})
        log.Reload()
        curves.append({tag: [event.step for event in log.Scalars(tag)] for tag in log.Tags()["scalars"]})
    assert curves[0] == curves[1]


def test_a_folder_begun_by_processes_goes_on_stacked_and_the_report_says_so(by_both, tmp_path):
    """Finished runs are taken up with the device that made them; the same study file, unchanged."""
    root, chosen = tmp_path / "study", study(epochs=1, seeds=1, recipes=["lenet5"])
    run_study(chosen, root, engine=ProcessEngine(1), check=False)
    before = Layout(root).predictions("lenet5", 0).read_bytes()
    outcome = run_study(
        study(epochs=1, seeds=3, recipes=["lenet5"]), root, engine=StackedEngine("cpu"), check=False
    )
    assert (len(outcome.finished_before), len(outcome.finished)) == (1, 2)
    assert Layout(root).predictions("lenet5", 0).read_bytes() == before
    devices = [describe_cpu(), "cpu, stacked", "cpu, stacked"]
    assert [run.device for run in load_study_folder(root).runs] == devices
    text = build_report(root).read_text("utf-8")
    assert f"which round differently: 1 run on {describe_cpu()}; 2 runs on cpu, stacked." in text


STOPPED = """
import os, sys
from pathlib import Path
from bakeoff.engines import EpochDone
from bakeoff.engines.stacked import StackedEngine
from bakeoff.running.run_study import run_study
from bakeoff.study import load_study
from bakeoff.training import state

state.MIN_SECONDS_BETWEEN, state.SHARE_OF_TIME = 0.0, float("inf")

class KillAt:
    done = 0
    def decoding(self, *_): ...
    def audited(self, *_): ...
    def begin(self, *_): ...
    def handle(self, event):
        KillAt.done += isinstance(event, EpochDone)
        if KillAt.done == int(sys.argv[2]):
            os.kill(os.getpid(), 9)

study = load_study("quickstart", seeds=3, epochs=4, recipes=["lenet5"])
run_study(study, Path(sys.argv[1]), engine=StackedEngine("cpu", stack_size=2), display=KillAt(), check=False)
"""


@pytest.mark.slow
def test_a_killed_stack_goes_on_to_the_same_bytes(tmp_path):
    """Killed after an epoch of the first stack, then of the second, then let finish."""
    for name, kills in (("whole", [1000]), ("killed", [6, 5, 1000])):
        for kill in kills:
            command = [sys.executable, "-c", STOPPED, str(tmp_path / name), str(kill)]
            done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
            assert done.returncode == (0 if kill == 1000 else -9), done.stderr
            if kill == 6:
                _, statuses = study_status(tmp_path / name)
                assert [(one.state, one.epochs) for one in statuses[:2]] == [("unfinished", 2)] * 2
    for seed in range(3):
        found, expected = (
            Layout(tmp_path / name).predictions("lenet5", seed) for name in ("killed", "whole")
        )
        assert found.read_bytes() == expected.read_bytes()


def test_a_state_of_worker_processes_is_not_gone_on_from(tmp_path, monkeypatch):
    """Its arithmetic is another: the run begins anew."""
    from bakeoff.store import UnfinishedRun

    monkeypatch.setattr("bakeoff.training.state.MIN_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr("bakeoff.training.state.SHARE_OF_TIME", float("inf"))
    seen = []
    save = UnfinishedRun.save
    monkeypatch.setattr(
        UnfinishedRun, "save", lambda self, *rest: (seen.append(self.identity), save(self, *rest))[1]
    )
    run_study(
        study(seeds=1, recipes=["lenet5"]), tmp_path / "study", engine=StackedEngine("cpu"), check=False
    )
    assert seen
    assert all(identity.endswith(" on cpu, stacked") for identity in seen)


UNSTACKABLE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.linear = nn.Linear(3 * image_size**2, num_classes)

    def forward(self, images):
        logits = self.linear(images.flatten(1))
        return logits if logits.mean() > 0 else 2 * logits

class Fails(Net):
    def forward(self, images):
        if len(images) > 200:  # in the first evaluation
            raise RuntimeError("more than 200 images")
        return super().forward(images)
"""


def test_a_model_that_cannot_be_stacked_is_trained_one_run_after_another_and_said_once(
    tmp_path, monkeypatch, capsys
):
    from rich.console import Console

    from bakeoff.terminal.progress import StudyDisplay

    (tmp_path / "unstackable.py").write_text(UNSTACKABLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen = study(recipes=["lenet5"], overrides=["recipes.lenet5.model='unstackable:Net'"])
    with StudyDisplay(Console(width=200)) as display:
        outcome = run_study(
            chosen, tmp_path / "study", engine=StackedEngine("cpu"), display=display, check=False
        )
    assert len(outcome.finished) == 3
    assert {run.device for run in load_study_folder(tmp_path / "study").runs} == {"cpu"}
    assert capsys.readouterr().out.count("lenet5: seeds are trained one by one, not stacked: ") == 1


def test_a_pretrained_model_is_trained_one_run_after_another_and_said_once(tmp_path):
    overrides = ["recipes.lenet5.model={name = 'bakeoff.models:LeNet5', freeze = 'all_but_head'}"]
    chosen, told = study(recipes=["lenet5"], overrides=overrides), Told()
    outcome = run_study(chosen, tmp_path / "study", engine=StackedEngine("cpu"), display=told, check=False)
    assert len(outcome.finished) == 3
    assert [event.reason for event in told.events if isinstance(event, RunsNotStacked)] == [
        "their model has pretrained or frozen weights; they use the CPU"
    ]


def test_a_recipe_that_raises_leaves_the_others_their_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "raising.py").write_text(UNSTACKABLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen = study(
        seeds=2,
        recipes=["lenet5", "lenet5_batch_norm"],
        overrides=["recipes.lenet5.model='raising:Fails'"],
    )
    told = Told()
    outcome = run_study(chosen, tmp_path / "study", engine=StackedEngine("cpu"), display=told, check=False)
    assert {task.recipe for task in outcome.finished} == {"lenet5_batch_norm"}
    assert [(run.reason, run.try_again) for run in outcome.failed] == [
        ("RuntimeError: more than 200 images", True)
    ] * 2
    assert "Traceback" in capsys.readouterr().err
    assert [type(event) for event in told.events].count(RunsNotStacked) == 1


def test_a_failed_seed_is_a_failed_run(tmp_path):
    chosen = study(seeds=2, recipes=["lenet5"], overrides=["recipes.lenet5.optimizer.lr=1e30"])
    outcome = run_study(chosen, tmp_path / "study", engine=StackedEngine("cpu"), check=False)
    assert [run.try_again for run in outcome.failed] == [False, False]
    assert all("a smaller learning rate may help" in run.reason for run in outcome.failed)
    again = run_study(chosen, tmp_path / "study", engine=StackedEngine("cpu"), check=False)
    assert len(again.failed) == 2
    assert not again.finished
