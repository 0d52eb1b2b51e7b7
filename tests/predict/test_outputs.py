"""Predictions written as CSV and JSON."""

import json
import os
import shutil

import pytest
from tests.in_process import bakeoff
from tests.predict.trained import read_csv

from bakeoff.predict.files import UnreadableImage, predict


def test_the_command_writes_csv_and_json_and_exits_with_1(photo_study, mixed, tmp_path):
    (tmp_path / "out").mkdir()
    words = ["predict", photo_study, mixed, "--recipe", "lenet5", "--csv", "out/p.csv", "--json", "p.json"]
    done = bakeoff(*words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Recipe lenet5: as requested. Mean of the probabilities of 2 seeds (0, 1)." in done.stdout
    assert "5 images could not be read:" in done.stderr
    assert "b empty.png: the file is empty" in done.stderr
    rows = read_csv(tmp_path / "out/p.csv")
    content = json.loads((tmp_path / "p.json").read_text("utf-8"))
    expected = list(predict(photo_study, [mixed], recipe="lenet5"))
    assert len(rows) == len(content["images"]) == len(expected) == 7
    assert (content["recipe"], content["seeds"]) == ("lenet5", [0, 1])
    for row, entry, outcome in zip(rows, content["images"], expected, strict=True):
        assert row["image"] == entry["image"] == str(outcome.image)
        if isinstance(outcome, UnreadableImage):
            assert row["problem"] == entry["problem"] == outcome.reason
            assert row["class"] == row["p_china3"] == ""
            continue
        assert row["class"] == entry["class"] == outcome.class_name
        assert (
            float(row["probability"]) == entry["probability"] == pytest.approx(outcome.probability, rel=1e-5)
        )
        assert int(row["agreement"]) == entry["agreement"] == outcome.agreement
        columns = [float(row[f"p_{name}"]) for name in content["class_names"]]
        assert columns == entry["probabilities"] == pytest.approx(outcome.probabilities, rel=1e-5)
        assert row["seeds"] == "2"


def test_a_file_of_somebody_else_is_not_replaced_but_an_earlier_result_is(photo_study, tmp_path, split_files):
    (tmp_path / "mine.toml").write_text('name = "mine"\n')
    for option in ("--csv", "--json"):
        done = bakeoff("predict", photo_study, split_files[0], option, "mine.toml", cwd=tmp_path)
        assert done.returncode == 2
        assert "mine.toml exists with other content" in done.stderr
        assert f"{option} FILE" in done.stderr
        assert (tmp_path / "mine.toml").read_text() == 'name = "mine"\n'
    words = ["predict", photo_study, split_files[0], "--csv", "p.csv", "--json", "p.json"]
    for _ in range(2):
        assert bakeoff(*words, cwd=tmp_path).returncode == 0


def test_names_cannot_act_on_the_terminal_or_in_a_spreadsheet(photo_study, tmp_path, split_files):
    folder = tmp_path / "=images"
    folder.mkdir()
    names = [b"red \x1b[31m.png", b"line\nbreak.png", b"latin \xe9.png", "right \u202e left.png".encode()]
    for name in names:
        shutil.copy(split_files[0], folder / os.fsdecode(name))
    done = bakeoff("predict", photo_study, "=images", "--csv", "p.csv", cwd=tmp_path, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    for shown in ("red \\x1b[31m.png", "line\\nbreak.png", "latin \\xe9.png", "right \\u202e left.png"):
        assert f"=images/{shown}" in done.stdout
    rows = read_csv(tmp_path / "p.csv")
    assert len(rows) == 4
    assert all(row["image"].startswith("'=images/") for row in rows)


def test_a_narrow_terminal_wraps_the_sentence_on_the_recipe(photo_study, tmp_path, split_files):
    terminal = {"COLUMNS": "40", "FORCE_COLOR": "1", "NO_COLOR": "1"}
    done = bakeoff("predict", photo_study, split_files[0], cwd=tmp_path, **terminal)
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("Recipe ")
    assert len(first) <= 40
    assert 0 < len(second) <= 40


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "lenet6"], "has no recipe 'lenet6'; it has lenet5, lenet5_batch_norm"),
        (["--seed", "7"], "has no finished run with seed 7; it has 0, 1"),
        (["--csv", "."], "it is a folder"),
        (["--csv", "same", "--json", "same"], "both name same"),
    ],
)
def test_mistakes_are_told_in_a_line(photo_study, tmp_path, split_files, words, message):
    done = bakeoff("predict", photo_study, split_files[0], *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_without_images_is_a_mistake_and_leaves_no_file(photo_study, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/readme.txt").write_text("nothing here")
    done = bakeoff("predict", photo_study, "notes", "--csv", "p.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "no image in notes" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_a_long_list_is_shown_in_part_with_counts_of_all(photo_study, photographs, tmp_path, split_files):
    words = [file.relative_to(photographs) for file in split_files]
    done = bakeoff("predict", photo_study, *words, "--seed", "1", cwd=photographs)
    assert done.returncode == 0, done.stderr
    assert "The first 20 of 400 images are shown; --csv FILE or --json FILE writes all." in done.stdout
    table, counts = done.stdout.split("The first 20")
    assert str(words[19]) in table
    assert str(words[20]) not in table
    assert sum(int(line.split()[1]) for line in counts.splitlines()[3:]) == 400
