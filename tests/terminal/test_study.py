"""A study's results and states, and a data set's facts, on the screen."""

import io
import re
import shutil

import pytest
from PIL import Image
from rich.console import Console

from bakeoff.analysis.summary.study import Summary
from bakeoff.data import describe, load_data
from bakeoff.store import Layout, RunStatus, load_study_folder, save_failure
from bakeoff.study import DataSettings, load_study
from bakeoff.terminal.study import print_data_info, print_results, print_status


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=80)


def test_results_name_what_is_not_done_and_what_failed(photo_study, tmp_path, screen):
    shutil.copytree(photo_study, tmp_path / "study")
    layout = Layout(tmp_path / "study")
    for recipe, seed in (("lenet5", 1), ("lenet5_batch_norm", 0)):
        layout.predictions(recipe, seed).unlink()
    save_failure(layout, "lenet5_batch_norm", 0, "identity", "no [red] \x1b", try_again=False)
    print_results(Summary(load_study_folder(tmp_path / "study")), screen)
    text = re.sub(r"\s+", " ", screen.file.getvalue())
    assert "lenet5, seed 1: not finished; " in text
    assert "lenet5_batch_norm, seed 0: failed: no [red] \\x1b" in text


def test_states_of_runs_are_listed_and_counted(screen):
    statuses = [
        RunStatus("a[b]", 0, "finished", 9, 9, 0.9876),
        RunStatus("a[b]", 1, "unfinished", 4, 9, 0.5),
        RunStatus("c", 0, "failed", 1, 9, None, "it broke\x07"),
        RunStatus("c", 1, "waiting", 0, 9),
    ]
    print_status(load_study("quickstart"), statuses, screen)
    lines = screen.file.getvalue().splitlines()
    assert lines[1].split() == ["a[b]", "0", "finished", "9/9", "98.8"]
    assert lines[2].split() == ["a[b]", "1", "unfinished", "4/9", "50.0"]
    assert lines[4].split() == ["c", "1", "waiting", "0/9"]
    assert lines[5:] == [
        "quickstart: 1 finished, 1 unfinished, 1 failed, 1 waiting",
        "c, seed 0: failed: it broke\\x07",
    ]


def test_facts_about_data_add_up(screen):
    print_data_info(describe(load_data(DataSettings(source="digits"))), screen)
    text = screen.file.getvalue()
    rows = [line.split() for line in text.splitlines()[1:12]]
    assert [name for name, *_ in rows] == [*map(str, range(10)), "total"]
    for column in (1, 2, 3):
        *classes, total = (int(row[column].replace(",", "")) for row in rows)
        assert sum(classes) == total
    assert sum(int(number.replace(",", "")) for number in rows[-1][1:]) == 1797
    assert re.search(r"sizes +8 x 8, resized to 32 x 32", text)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("fit", "words"),
    [("stretch", "stretched to a square"), ("crop", "cropped to the square"), ("pad", "padded with black")],
)
def test_what_happens_to_images_that_are_not_square_is_said(screen, tmp_path, fit, words):
    for label in "ab":
        (tmp_path / label).mkdir()
        for index in range(5):
            Image.new("RGB", (20, 10), (9, 20 * index, ord(label))).save(tmp_path / label / f"{index}.png")
    print_data_info(describe(load_data(DataSettings(source=f"folder:{tmp_path}", fit=fit))), screen)
    assert f"20 x 10, resized to 32 x 32 ({words}" in screen.file.getvalue()
