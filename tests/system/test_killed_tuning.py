"""`bakeoff run` with a search, killed while it is tuned: same trials, same choice, same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # real processes, one after another

COMMAND = [sys.executable, "-m", "bakeoff", "run", "tuned.toml", "--out", "study"]
COMMAND += ["--jobs", "2", "--no-check"]

STUDY = """
name = "tuned"
seeds = 2
data = { source = "digits", image_size = 16 }
tune = { trials = 6 }
defaults = { epochs = 6 }

[recipes.sgd]
optimizer = "sgd"
[recipes.sgd.search]
"optimizer.lr" = { low = 0.001, high = 1.0, log = true }

[recipes.adam.search]
"optimizer.lr" = { low = 0.0001, high = 0.1, log = true }
batch_size = { low = 16, high = 256, log = true }
"""


def results(folder: Path) -> dict[str, bytes]:
    """All that must not depend on interruptions: trials, runs, and the study with the chosen settings."""
    names = ["study.toml", "tune/*/*/predictions.npz", "runs/*/*/predictions.npz", "runs/*/*/best.*"]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for name in names for path in folder.glob(name)
    }


def run(folder: Path, *words: str) -> str:
    done = subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tuned.toml").write_text(STUDY)
    run(folder)
    return folder / "study"


@pytest.mark.parametrize("trials_before_the_kill", [0, 3, 10])
def test_a_study_killed_while_it_is_tuned_ends_as_one_that_was_not(whole, tmp_path, trials_before_the_kill):
    (tmp_path / "tuned.toml").write_text(STUDY)
    process = subprocess.Popen(
        COMMAND, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    study, deadline = tmp_path / "study", time.monotonic() + 200
    while time.monotonic() < deadline:
        finished = len([*study.glob("tune/*/*/predictions.npz")])
        if (study / "tune").exists() and finished >= trials_before_the_kill:
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (study / "runs").exists()
    printed = run(tmp_path)
    if trials_before_the_kill:
        assert "of 12 trials already finished" in printed
    assert results(study) == results(whole)
    assert len(results(whole)) == 1 + 12 + 4 + 4


def test_one_worker_makes_the_same_trials_and_the_same_choice(whole, tmp_path):
    (tmp_path / "tuned.toml").write_text(STUDY)
    run(tmp_path, "--jobs", "1")
    assert results(tmp_path / "study") == results(whole)
