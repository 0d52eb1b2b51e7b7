"""What is printed while a study runs."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from bakeoff.analysis.comparison.tuning import study_tuning
from bakeoff.data import load_data
from bakeoff.engines import EpochDone, RunFailed, RunFinished, RunStarted, Task
from bakeoff.running.run_study import Round
from bakeoff.store import StoredTrial
from bakeoff.study import load_study
from bakeoff.terminal.progress import StudyDisplay
from bakeoff.training import EpochRecord


def test_what_was_decided_about_the_images_is_in_the_first_lines():
    study = load_study("quickstart", seeds=1)
    data = replace(
        load_data(study.data), notes=("The table has no header.", "The column '\x1b' is read as image.")
    )
    screen = Console(file=io.StringIO(), width=200)
    with StudyDisplay(screen) as display:
        display.begin(Round(study, data, [], [], 1))
    lines = screen.file.getvalue().splitlines()
    assert lines[0].startswith("quickstart: ")
    assert lines[1:3] == ["note: The table has no header.", r"note: The column '\x1b' is read as image."]


def record(epoch):
    return EpochRecord(epoch, 0.001, 1.2, 0.5, 1.3, 0.5, 1.0)


def test_trials_are_shown_with_their_numbers_and_what_they_chose():
    space = {"optimizer.lr": {"low": 0.001, "high": 0.1, "log": True}}
    study = load_study("quickstart", recipes=["lenet5"], epochs=5, seeds=1)
    study = study.changed(
        tune={"trials": 2},
        recipes={"lenet5": study.recipes["lenet5"].changed(search=space)},
    )
    task = Task("lenet5", 1, "identity", trial=True)
    console = Console(file=io.StringIO(), width=80)
    logits = np.eye(10, dtype=np.float32)
    tuning = study_tuning(study, [StoredTrial("lenet5", 1, logits, np.arange(10), 2.0)])
    with StudyDisplay(console) as display:
        display.begin(Round(study, load_data(study.data), [replace(task, seed=0), task], [task], 1))
        table = display.state.render(console)
        for event in (RunStarted(task), EpochDone(task, record(5)), RunFinished(task)):
            display.handle(event)
        display.handle(RunFailed(task, "loss is nan", try_again=False))
        display.tuned(tuning)
    console.print(table)
    text = " ".join(console.file.getvalue().split())
    assert "quickstart: 2 trials, then 1 recipe x 1 seed on digits" in text
    assert "1 of 2 trials already finished, 1 to do" in text
    assert "lenet5 trial 1 epoch 5/5" in text
    assert "testing" not in text
    assert "lenet5 trial 1: finished" in text
    assert "lenet5, trial 1: failed: loss is nan" in text
    assert "lenet5: of 2 trials, trial 1 has the best validation accuracy, 100.0 %: optimizer.lr = " in text
    assert "recipe trials" in text


def test_a_model_that_is_not_captured_is_named_once_with_the_reason():
    study = load_study("quickstart", epochs=2, seeds=1, recipes=["lenet5"])
    console = Console(file=io.StringIO(), width=100)
    with StudyDisplay(console) as display:
        display.not_captured("lenet5", "net.py:3, 'if x.mean() > 0:': control flow")
        for _ in range(2):
            display.begin(Round(study, load_data(study.data), [], [], 1))
    line = "note: lenet5: its forward is called as it is, so CPU kernels may not apply: net.py:3, 'if x"
    assert console.file.getvalue().count(line) == 1


def test_where_there_is_no_terminal_lines_tell_that_a_run_is_tested_and_finished():
    study = load_study("quickstart", epochs=2, seeds=1, recipes=["lenet5"])
    task = Task("lenet5", 0, "identity")
    screen = Console(file=io.StringIO(), width=100)
    with StudyDisplay(screen) as display:
        display.begin(Round(study, load_data(study.data), [task], [task], 1))
        for event in (EpochDone(task, record(1)), EpochDone(task, record(2)), RunFinished(task)):
            display.handle(event)
    *_, last_epoch, finished = screen.file.getvalue().splitlines()
    assert last_epoch.startswith("lenet5 seed 0 epoch 2/2: loss")
    assert last_epoch.endswith("; testing")
    assert finished == "lenet5 seed 0: finished"


def test_before_the_first_run_it_says_what_it_will_do_and_for_how_long():
    study = load_study("quickstart", epochs=3, seeds=2, recipes=["lenet5", "lenet5_batch_norm"])
    tasks = [Task(name, seed, "identity") for seed in range(2) for name in study.recipes]
    lines = {}
    for tries_steps in (True, False):
        screen = Console(file=io.StringIO(), width=200)
        with StudyDisplay(screen, tries_steps=tries_steps) as display:
            display.begin(Round(study, load_data(study.data), tasks, tasks, 2))
        lines[tries_steps] = screen.file.getvalue().splitlines()[-1]
    assert lines[False] == "4 runs, 2 at a time"
    assert lines[True] == "4 runs, 2 at a time: less than a minute, by the first steps of each recipe"


def test_many_short_runs_take_what_each_costs_beside_training():
    study = load_study("quickstart", epochs=1, seeds=300, recipes=["lenet5"])
    tasks = [Task("lenet5", seed, "identity") for seed in range(300)]
    screen = Console(file=io.StringIO(), width=200)
    with StudyDisplay(screen) as display:
        display.epoch_seconds["lenet5"] = 0.001
        display.begin(Round(study, load_data(study.data), tasks, tasks, 2))
    assert re.search("300 runs, 2 at a time: about [23] min", screen.file.getvalue())


def test_what_is_not_known_before_is_said_and_a_later_round_goes_by_the_epochs():
    study = load_study("quickstart", epochs=3, seeds=1, recipes=["lenet5"])
    forest = study.recipes["lenet5"].changed(trainer={"name": "sklearn", "estimator": "sklearn.svm:SVC"})
    study = study.changed(recipes={"forest": forest})
    data, tasks = load_data(study.data), [Task(name, 0, "identity") for name in study.recipes]
    screen = Console(file=io.StringIO(), width=200)
    with StudyDisplay(screen, tries_steps=True) as display:
        display.begin(Round(study, data, tasks, tasks, 1))
        first = screen.file.getvalue().splitlines()[-1]
        display.handle(EpochDone(tasks[0], replace(record(1), seconds=100.0)))
        more = Task("lenet5", 1, "identity")
        display.begin(Round(study, data, [*tasks, more], [more], 1))
        second = screen.file.getvalue().splitlines()[-1]
    assert first == (
        "2 runs: less than a minute, by the first steps of each recipe; "
        "without forest, whose time is not known"
    )
    assert re.fullmatch(r"1 run: about [56] min \d\d s, by the epochs so far", second)


def test_the_time_before_the_first_run_is_that_of_all_that_follows():
    """Of 1 epoch with 1,000 images: 10 s; runs with half of them, and tests, which read them once more."""
    study = load_study("quickstart", epochs=10, seeds=2, recipes=["lenet5"])
    data = load_data(study.data)
    tasks = [Task("lenet5", seed, "identity") for seed in range(2)]
    sized = [replace(task, size=len(data.train) // 2) for task in tasks]
    times, shown = [], []
    for later, num_images in (((), 0), (sized, 0), (sized, 10 * len(data.train))):
        screen = Console(file=io.StringIO(), width=200)
        with StudyDisplay(screen) as display:
            display.epoch_seconds["lenet5"] = 60.0
            display.begin(Round(study, data, tasks, tasks, 1, later=later, num_other_images=num_images))
        *_, line = screen.file.getvalue().splitlines()
        times.append(int(re.search(r"about (\d+) min", line)[1]))
        screen.print(display.state.render(screen))
        shown.append(int(re.search(r"about (\d+) min \d+ s left", screen.file.getvalue())[1]))
    assert times[0] == pytest.approx(20, abs=3)  # and the tests of the runs
    assert times[1] - times[0] == pytest.approx(10, abs=3)
    assert shown[:2] == pytest.approx(times[:2], abs=1)  # while the first of them run
    assert times[2] - times[1] == 8  # 2 runs x 0.4 passes of training x 10 times the images
    assert "2 runs, then 2 runs with fewer training images and tests on " in line
