"""The live table of a study on terminals of several widths."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from bakeoff.analysis.comparison.tuning import study_tuning
from bakeoff.data import load_data
from bakeoff.engines import EpochDone, RunFailed, RunFinished, RunStarted, Task
from bakeoff.store import StoredTrial
from bakeoff.study import load_study
from bakeoff.terminal.progress import StudyDisplay, _State
from bakeoff.training import EpochRecord


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_numbers_are_whole_and_the_less_telling_are_left_out(width):
    study = load_study("lenet5-stl10")
    tasks = [Task(recipe, seed, "identity") for recipe in study.recipes for seed in range(5)]
    state = _State(study, dict.fromkeys(study.recipes, 5), tasks, 2, num_train=5000, num_test=5000)
    for epoch in range(1, 101):
        state.take_in(EpochDone(tasks[0], EpochRecord(epoch, 0.001, 1.234, 0.567, 1.345, 0.489, 1.0)))
    screen = Console(file=io.StringIO(), width=width)
    screen.print(state.render(screen))
    text = screen.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    row = next(line for line in text.splitlines() if line.startswith("lenet5 "))
    # 400 epochs of 1 s, and the tests of 5 runs, 6.3 epochs each, for two workers
    everything = ["lenet5", "0/5", "testing", "1.234", "1.345", "56.7", "48.9", "3 min 36 s"]
    fewest = ["lenet5", "0/5", "testing", "48.9", "3 min 36 s"]
    assert row.split() == " ".join(everything if width >= 80 else fewest).split()
    assert ("lenet5_l2_regularization " in text) == (width >= 80)


def test_at_40_columns_names_are_shortened_in_the_middle_unless_two_would_look_alike():
    for names, whole in ((("weight_decay_with_crop_a", "weight_decay_with_crop_b"), False),
                         (("weight_decay_1_with_crop", "weight_decay_2_with_crop"), True)):  # fmt: skip
        study = load_study("quickstart", seeds=1)
        study = study.changed(recipes=dict.fromkeys(names, study.recipes["lenet5"]))
        shown = [name for name in study.recipes if name in names]
        state = _State(study, dict.fromkeys(study.recipes, 1), [], 2, num_train=5000, num_test=5000)
        screen = Console(file=io.StringIO(), width=40)
        screen.print(state.render(screen))
        together = re.sub(r"\s|1/1", "", screen.file.getvalue())
        assert [name in together for name in shown] == [whole] * 2
        assert ("wei…crop_a" in together) == ("wei…crop_b" in together) != whole


def test_what_was_decided_about_the_images_is_in_the_first_lines():
    study = load_study("quickstart", seeds=1)
    data = replace(
        load_data(study.data), notes=("The table has no header.", "The column '\x1b' is read as image.")
    )
    screen = Console(file=io.StringIO(), width=200)
    with StudyDisplay(screen) as display:
        display.begin(study, data, dict.fromkeys(study.recipes, 1), [], 1)
    lines = screen.file.getvalue().splitlines()
    assert lines[0].startswith("quickstart: ")
    assert lines[1:3] == ["note: The table has no header.", r"note: The column '\x1b' is read as image."]


def record(epoch):
    return EpochRecord(epoch, 0.001, 1.2, 0.5, 1.3, 0.5, 1.0)


def test_the_test_of_a_run_is_shown_and_counted_until_it_is_finished():
    study = load_study("quickstart", epochs=3, seeds=1, recipes=["lenet5"])
    task = Task("lenet5", 0, "identity")
    state = _State(study, {"lenet5": 1}, [task], 1, num_train=1000, num_test=500)
    screen = Console(file=io.StringIO(), width=100)
    left = []
    for event in (*(EpochDone(task, record(epoch)) for epoch in (1, 2, 3)), RunFinished(task)):
        state.take_in(event)
        left.append(state.seconds_left("lenet5"))
        screen.print(state.render(screen))
    assert left[0] > left[1] > left[2] > left[3] == 0
    assert left[2] == pytest.approx(0.8 + 0.3)  # evaluation, and attributions: a tenth of 3 epochs of 1 s
    assert [word in screen.file.getvalue() for word in ("2/3", "testing", "3/3")] == [True, True, False]


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
        display.begin(study, load_data(study.data), study.num_trials, [task], 1, of_trials=True)
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


def test_where_there_is_no_terminal_lines_tell_that_a_run_is_tested_and_finished():
    study = load_study("quickstart", epochs=2, seeds=1, recipes=["lenet5"])
    task = Task("lenet5", 0, "identity")
    screen = Console(file=io.StringIO(), width=100)
    with StudyDisplay(screen) as display:
        display.begin(study, load_data(study.data), {"lenet5": 1}, [task], 1)
        for event in (EpochDone(task, record(1)), EpochDone(task, record(2)), RunFinished(task)):
            display.handle(event)
    *_, last_epoch, finished = screen.file.getvalue().splitlines()
    assert last_epoch.startswith("lenet5 seed 0 epoch 2/2: loss")
    assert last_epoch.endswith("; testing")
    assert finished == "lenet5 seed 0: finished"
