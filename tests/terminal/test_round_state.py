"""The live table of a round on terminals of several widths, and the time that is left."""

import io
from dataclasses import replace
from itertools import pairwise

import pytest
from rich.console import Console

from bakeoff.engines import EpochDone, RunFinished, Task
from bakeoff.study import load_study
from bakeoff.terminal.round_state import RoundState
from bakeoff.training import EpochRecord


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_numbers_are_whole_and_the_less_telling_are_left_out(width):
    study = load_study("lenet5-stl10")
    tasks = [Task(recipe, seed, "identity") for recipe in study.recipes for seed in range(5)]
    state = RoundState(study, tasks, tasks, 2, num_train=5000, num_test=5000)
    for epoch in range(1, 101):
        state.take_in(EpochDone(tasks[0], EpochRecord(epoch, 0.001, 1.234, 0.567, 1.345, 0.489, 1.0)))
    screen = Console(file=io.StringIO(), width=width)
    screen.print(state.render(screen))
    text = screen.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    row = next(line for line in text.splitlines() if line.startswith("lenet5 "))
    # 400 epochs of 1 s, and 9.4 more and 1 s for each of 5 runs, for two workers
    everything = ["lenet5", "0/5", "testing", "1.234", "1.345", "56.7", "48.9", "3 min 46 s"]
    fewest = ["lenet5", "0/5", "testing", "48.9", "3 min 46 s"]
    assert row.split() == " ".join(everything if width >= 80 else fewest).split()
    assert ("lenet5_l2_regularization " in text) == (width >= 80)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("weight_decay_with_crop_a", "weight_decay_with_crop_b"), ("wei…h_crop_a", "wei…h_crop_b")),
        (("weight_decay_1_with_crop", "weight_decay_2_with_crop"), ("…1_with_crop", "…2_with_crop")),
    ],
)
def test_at_40_columns_names_are_shortened_so_that_no_two_look_alike(names, shown):
    study = load_study("quickstart", seeds=1, recipes=["lenet5"])
    study = study.changed(recipes={"lenet5": None} | dict.fromkeys(names, study.recipes["lenet5"]))
    tasks = [Task(name, 0, "identity") for name in study.recipes]
    state = RoundState(study, tasks, [], 2, num_train=5000, num_test=5000)
    screen = Console(file=io.StringIO(), width=40)
    screen.print(state.render(screen))
    rows = [line.split() for line in screen.file.getvalue().splitlines() if "…" in line]
    assert [row[1] for row in rows] == ["1/1", "1/1"]
    assert [row[0] for row in rows] == list(shown)


def record(epoch):
    return EpochRecord(epoch, 0.001, 1.2, 0.5, 1.3, 0.5, 1.0)


def times(name: str, seed: int, seconds: float, epochs: int) -> list[EpochDone]:
    task = Task(name, seed, "identity")
    return [EpochDone(task, replace(record(epoch), seconds=seconds)) for epoch in range(1, epochs + 1)]


def test_the_test_of_a_run_is_shown_and_counted_until_it_is_finished():
    study = load_study("quickstart", epochs=3, seeds=1, recipes=["lenet5"])
    task = Task("lenet5", 0, "identity")
    state = RoundState(study, [task], [task], 1, num_train=1000, num_test=500)
    screen = Console(file=io.StringIO(), width=100)
    left = []
    for event in (*(EpochDone(task, record(epoch)) for epoch in (1, 2, 3)), RunFinished(task)):
        state.take_in(event)
        left.append(state.seconds_left("lenet5"))
        screen.print(state.render(screen))
    assert left[0] > left[1] > left[2] > left[3] == 0
    # Evaluation, attributions (a tenth of 3 epochs of 1 s, as whole maps), and what any run costs
    assert left[2] == pytest.approx(0.8 + 0.3 + 1, abs=0.016)
    assert [word in screen.file.getvalue() for word in ("2/3", "testing", "3/3")] == [True, True, False]


@pytest.mark.parametrize("load", [1.0, 2.5])
def test_the_time_left_does_not_jump_when_a_slow_recipe_begins(load):
    study = load_study("quickstart", epochs=10, seeds=2)
    fast, slow, other = study.recipes
    expected = {fast: 0.1, slow: 10.0, other: 0.1}
    tasks = [Task(name, seed, "identity") for seed in range(2) for name in study.recipes]
    state = RoundState(study, tasks, tasks, 2, 1000, 100, expected=expected)
    before = state.study_seconds_left()
    assert before == pytest.approx(20 * 10.2 / 2, rel=0.2)  # and the tests of the runs
    lefts = []
    for name in (fast, slow):  # all epochs take longer than expected, by the machine's load
        for event in times(name, 0, load * expected[name], 10):
            state.take_in(event)
            lefts.append(state.study_seconds_left())
    assert lefts[0] == pytest.approx(load * before, rel=0.02)  # what any run costs stays
    assert all(0 < one - two <= 1.1 * load * 10 for one, two in pairwise(lefts))


def test_no_longer_than_the_minutes_of_a_recipe_and_no_shorter_than_one_run():
    study = load_study("quickstart", epochs=1000, seeds=1, recipes=["lenet5"])
    study = study.changed(recipes={"lenet5": study.recipes["lenet5"].changed(max_minutes=1.0)})
    task = Task("lenet5", 0, "identity")
    state = RoundState(study, [task], [task], 8, 1000, 0, expected={"lenet5": 5.0})
    assert 60 <= state.study_seconds_left() < 70
