"""`bakeoff run --until decided` with real processes: rounds, resuming, a report that stays what it was."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bakeoff

pytestmark = pytest.mark.slow  # real processes, one after another

BAKEOFF = str(Path(sys.executable).with_name("bakeoff"))
STUDY = ["quickstart", "--epochs", "2", "--recipes", "lenet5,lenet5_l2_regularization,lenet5_batch_norm"]
UNTIL = ["--until", "decided", "--seeds", "3", "--max-seeds", "5", "--set", "margin=0.002", "--no-check"]
UNTIL += ["--set", "data.image_size=16"]
UNTIL += ["--set", "recipes.lenet5_batch_norm.optimizer.lr=1e-7"]  # so that one pair is clear at once
COMMAND = [BAKEOFF, "run", *STUDY, *UNTIL, "--jobs", "2", "--out", "study"]


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def looks_in(study: Path) -> dict:
    return json.loads((study / "report" / "comparison.json").read_text())["looks"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("until decided")
    return folder, run(COMMAND, folder)


def test_it_takes_its_looks_and_says_why_it_stopped(finished):
    folder, printed = finished
    looks = looks_in(folder / "study")
    assert looks["planned"] == [3, 5]
    assert looks["stopped"] in ("decided", "images", "max_seeds")
    assert "3 recipes x 3 to 5 seeds on digits" in printed
    for number in range(1, len(looks["taken"]) + 1):
        assert f"look {number}: " in printed
    said = "Seeds were added until decided"
    assert said in printed
    assert said in (folder / "study" / "report" / "index.html").read_text()
    runs = {
        name: len(list((folder / "study" / "runs" / name).glob("*/predictions.npz")))
        for name in looks["wanted"]
    }
    assert runs == looks["wanted"]
    assert len(set(runs.values())) > 1  # the recipe that learns nothing is settled by the first look


def test_a_rebuilt_report_and_the_same_command_say_the_same(finished):
    folder, _ = finished
    report = folder / "study" / "report"
    before = {path.name: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    run([BAKEOFF, "report", "study"], folder)
    assert before == {path.name: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    assert "0 to do" in run(COMMAND, folder)
    assert before == {path.name: path.read_bytes() for path in report.rglob("*") if path.is_file()}


def test_a_comparison_of_the_folder_says_that_it_leaves_out_the_looks(finished):
    folder, _ = finished
    said = run([BAKEOFF, "compare", "study"], folder)
    assert "study: seeds were added until decided. The intervals here are not corrected for the" in said
    (folder / "study.copy").mkdir()
    shutil.copytree(folder / "study" / "runs", folder / "study.copy" / "runs")
    assert "until decided" not in run([BAKEOFF, "compare", "study.copy"], folder)


@pytest.mark.slow
def test_a_study_killed_in_a_round_ends_as_one_that_was_not(finished, tmp_path):
    folder, _ = finished
    process = subprocess.Popen(
        COMMAND, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    # Into the second round.
    waited_for = tmp_path / "study" / "runs" / "lenet5" / "seed-3"
    deadline = time.monotonic() + 120
    while not waited_for.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "study" / "report").exists()
    run(COMMAND, tmp_path)
    assert looks_in(tmp_path / "study") == looks_in(folder / "study")
    for path in (folder / "study" / "runs").rglob("predictions.npz"):
        assert (tmp_path / "study" / path.relative_to(folder / "study")).read_bytes() == path.read_bytes()


def test_a_larger_maximum_takes_the_looks_anew_from_the_same_runs(finished, tmp_path):
    folder, _ = finished
    shutil.copytree(folder / "study", tmp_path / "study")
    study = bakeoff.load_study(tmp_path / "study")
    result = bakeoff.run(study, tmp_path / "study", max_seeds=6, jobs=2, progress=False, check=False)
    looks = result.comparison.looks
    assert looks is not None
    assert looks.planned == (3, 4, 6)
    assert looks.stopped is not None
    assert result.study.max_seeds == 6
    assert (tmp_path / "study" / "runs" / "lenet5" / "seed-4").exists()


def test_settings_that_make_no_sense_are_refused(tmp_path):
    for words, said in [
        (["--max-seeds", "9"], "--max-seeds N with --until decided"),
        (["--until", "decided", "--seeds", "2"], "the first interim look needs 3 seeds or more"),
        (["--until", "decided", "--seeds", "6", "--max-seeds", "5"], "max_seeds is 5, less than the 6 seeds"),
        (["--until", "never"], "(valid: all_seeds, decided)"),
    ]:
        done = subprocess.run(
            [BAKEOFF, "run", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
