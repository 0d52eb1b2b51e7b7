"""Tuning, from the study file to chosen settings: no test image is seen, and nothing is trained twice."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from bakeoff import BakeoffError
from bakeoff.data import load_data, open_image_data
from bakeoff.engines import RunFailed
from bakeoff.engines.stacked import StackedEngine
from bakeoff.files import jsonable
from bakeoff.running.run_study import Display, run_study
from bakeoff.store import Layout, load_study_folder, read_study, study_status
from bakeoff.study import Study, study_from_toml

FILE = """
name = "tuned"
seeds = 2
data = { source = "digits", image_size = 16, val_fraction = 0.1, test_fraction = 0.8 }
tune = { trials = 3, metric = "val_accuracy" }
defaults = { epochs = 1, batch_size = 32 }

[recipes.sgd]
optimizer = "sgd"
[recipes.sgd.search]
"optimizer.lr" = { low = 0.001, high = 1e9, log = true }
[recipes.linear]
trainer = { name = "sklearn", estimator = "sklearn.linear_model:RidgeClassifier" }
[recipes.linear.search]
"trainer.alpha" = { low = 0.001, high = 1000.0, log = true }
[recipes.plain]
"""


class Watched(Display):
    """Records what is shown; `change` is called before the trials, `undo` after them."""

    def __init__(self, change=lambda data: None, undo=lambda: None) -> None:
        self.change, self.undo = change, undo
        self.trials, self.runs, self.failed, self.tuning = [], [], [], None

    def begin(self, coming) -> None:
        (self.trials if coming.tasks[0].trial else self.runs).extend(coming.todo)
        if coming.tasks[0].trial:
            self.change(coming.data)

    def tuned(self, tuning) -> None:
        self.tuning = tuning
        self.undo()

    def handle(self, event) -> None:
        if isinstance(event, RunFailed):
            self.failed.append(event)


def run(of: Study, root: Path, display: Watched | None = None) -> Watched:
    display = display or Watched()
    run_study(of, root, engine=StackedEngine("cpu"), display=display, check=False)
    return display


def digests(root: Path) -> dict[str, str]:
    """Of all results, without times: predictions of trials and runs, weights, and the resolved study."""
    names = ["study.toml", "tune/*/*/predictions.npz", "runs/*/*/predictions.npz", "runs/*/*/*.safetensors"]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in names
        for path in root.glob(name)
    }


@pytest.fixture(scope="module")
def study() -> Study:
    return study_from_toml(FILE, "tuned.toml")


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory) -> tuple[Path, Watched]:
    root = tmp_path_factory.mktemp("tuned") / "study"
    return root, run(study, root)


def test_the_chosen_settings_are_trained_with_fresh_seeds_and_stand_in_the_study_file(study, finished):
    root, shown = finished
    assert [(task.recipe, task.seed) for task in shown.trials] == study.all_trials
    assert [(task.recipe, task.seed) for task in shown.runs] == [
        (name, seed) for seed in range(2) for name in study.recipes
    ]
    resolved = read_study(Layout(root))
    for name in ("sgd", "linear"):
        chosen = shown.tuning.recipe(name).chosen
        assert resolved.recipes[name].without_search == study.trial_recipe(name, chosen.number)
        assert resolved.recipes[name].search == study.recipes[name].search
    assert resolved.recipes["plain"] == study.recipes["plain"]
    stored = load_study_folder(root)
    assert {(run.recipe, run.seed) for run in stored.runs} == {(n, s) for n in study.recipes for s in (0, 1)}
    assert len(stored.trials) == 6


def test_a_trial_that_fails_is_reported_and_not_chosen(finished):
    root, shown = finished
    sgd = shown.tuning.recipe("sgd")
    diverged = {entry.task.seed for entry in shown.failed}
    assert diverged == {trial.number for trial in sgd.failed}
    assert diverged
    assert sgd.chosen.number not in diverged
    _, statuses = study_status(root)
    trials = [status for status in statuses if status.trial]
    assert {status.seed for status in trials if status.state == "failed"} == diverged
    assert [status.recipe for status in trials] == ["sgd"] * 3 + ["linear"] * 3
    assert len(statuses) == 6 + 6


def test_trials_have_no_test_images_and_runs_do(finished):
    root, _ = finished
    with np.load(next(root.glob("tune/linear/*/predictions.npz"))) as arrays:
        assert not [name for name in arrays.files if "test" in name]
    with np.load(next(root.glob("runs/linear/*/predictions.npz"))) as arrays:
        assert len(arrays["test_labels"]) == len(load_study_folder(root).test_labels)
    assert not [*root.glob("tune/*/*/*.safetensors")]


def test_poisoned_test_images_change_nothing_while_recipes_are_tuned(study, finished, tmp_path, monkeypatch):
    """Pixels and labels of the test split are garbage as long as trials train, in a cache of its own."""
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))
    kept: dict[Path, bytes] = {}

    def poison(data) -> None:
        for path in data.directory.glob("test_*.npy"):
            kept[path] = path.read_bytes()
            path.write_bytes(b"poison")
        with pytest.raises(BakeoffError, match="damaged"):
            open_image_data(data.directory)

    def undo() -> None:
        for path, content in kept.items():
            path.write_bytes(content)

    run(study, tmp_path / "study", Watched(poison, undo))
    assert len(kept) == 2
    assert digests(tmp_path / "study") == digests(finished[0])


def test_without_test_images_the_validation_images_stand_in_their_place(study):
    directory = load_data(study.data).directory
    whole, without = open_image_data(directory), open_image_data(directory, with_test=False)
    assert whole.has_test
    assert not without.has_test
    assert without.test.ids == without.val.ids == whole.val.ids
    assert without.fingerprint != whole.fingerprint  # what is kept by fingerprint is not mixed up


def test_the_same_command_again_trains_nothing(study, finished):
    root, shown = finished
    before = digests(root)
    again = run(study, root)
    assert (again.trials, again.runs) == ([], [])
    assert jsonable(again.tuning.to_dict()) == jsonable(shown.tuning.to_dict())
    assert digests(root) == before
    resolved = run(read_study(Layout(root)), root)  # from the folder's own study file
    assert (resolved.trials, resolved.runs) == ([], [])


def test_more_trials_keep_those_that_were_made(study, finished, tmp_path):
    root = Path(shutil.copytree(finished[0], tmp_path / "study"))
    shutil.rmtree(root / "runs")  # which may have been trained with another setting than is chosen now
    shown = run(study.with_trials(4), root)
    assert [task.seed for task in shown.trials] == [3, 3]
    before, after = digests(finished[0]), digests(root)
    assert all(after[name] == digest for name, digest in before.items() if name.startswith("tune/"))
    assert shown.tuning.recipe("linear").num_trials == 4


def test_another_choice_than_that_of_the_runs_is_refused(study, finished, tmp_path):
    root = Path(shutil.copytree(finished[0], tmp_path / "study"))
    space = {"trainer.alpha": {"low": 1e4, "high": 1e5}}
    other = study.changed(recipes={"linear": study.recipes["linear"].changed(search=space)})
    message = r"tuning now chooses trainer\.alpha = .* for linear .*\n?.* delete this folder to train them"
    with pytest.raises(BakeoffError, match=message):
        run(other, root)
    shutil.rmtree(root / "runs" / "linear")
    shown = run(other, root)
    assert shown.trials == []  # those of the other space have replaced the first ones
    assert {task.recipe for task in shown.runs} == {"linear"}


def test_without_trials_the_files_own_values_are_trained(study, tmp_path):
    shown = run(study.with_trials(0), tmp_path / "study")
    assert (shown.trials, shown.tuning) == ([], None)
    assert read_study(Layout(tmp_path / "study")).recipes == study.recipes
    with pytest.raises(BakeoffError, match=r"runs in .* were trained with another setting"):
        run(study, tmp_path / "study")


def test_a_recipe_of_which_all_trials_fail_fails(study, tmp_path):
    space = {"optimizer.lr": {"low": 1e8, "high": 1e9}}
    hopeless = study.changed(recipes={"sgd": study.recipes["sgd"].changed(search=space), "linear": None})
    run(hopeless, tmp_path / "study")
    stored = load_study_folder(tmp_path / "study")
    assert [(failure.recipe, failure.seed) for failure in stored.failures] == [("sgd", 0), ("sgd", 1)]
    assert stored.failures[0].reason.startswith("all of 3 trials failed: training loss is ")
    assert {run.recipe for run in stored.runs} == {"plain"}
