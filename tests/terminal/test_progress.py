"""The live table of a study on terminals of several widths."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from bakeoff.data import load_data
from bakeoff.engines import EpochDone, Task
from bakeoff.study import load_study
from bakeoff.terminal.progress import StudyDisplay, _State
from bakeoff.training import EpochRecord


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_numbers_are_whole_and_the_less_telling_are_left_out(width):
    study = load_study("lenet5-stl10")
    tasks = [Task(recipe, seed, "identity") for recipe in study.recipes for seed in range(5)]
    state = _State(study, dict.fromkeys(study.recipes, 5), tasks, num_workers=2)
    for epoch in range(1, 101):
        state.take_in(EpochDone(tasks[0], EpochRecord(epoch, 0.001, 1.234, 0.567, 1.345, 0.489, 1.0)))
    screen = Console(file=io.StringIO(), width=width)
    screen.print(state.render(screen))
    text = screen.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    row = next(line for line in text.splitlines() if line.startswith("lenet5 "))
    everything = ["lenet5", "0/5", "100/100", "1.234", "1.345", "56.7", "48.9", "3 min 20 s"]
    fewest = ["lenet5", "0/5", "100/100", "48.9", "3 min 20 s"]
    assert row.split() == " ".join(everything if width >= 80 else fewest).split()
    assert ("lenet5_l2_regularization " in text) == (width >= 80)


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
