"""Studies killed at random moments, and begun by several processes at once, end with the same bytes."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BAKEOFF = str(Path(sys.executable).with_name("bakeoff"))
WORDS = [
    "run", "quickstart", "--epochs", "25", "--seeds", "2", "--recipes", "lenet5,lenet5_batch_norm",
    "--jobs", "2", "--out", "study",
]  # fmt: skip
KILLS_A_STUDY = 10
"""Then it may end, and its bytes are compared; else a slow machine would spend all kills on one study."""


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [BAKEOFF, *WORDS],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def processes_of(session: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def contents(folder: Path) -> dict[str, object]:
    """Bytes of predictions and weights, and the history without its times, which files.json depends on."""
    found: dict[str, object] = {}
    for path in sorted((folder / "study/runs").rglob("*.*")):
        if path.name == "history.csv":
            with path.open(newline="") as file:
                found[str(path.relative_to(folder))] = [row[:-1] for row in csv.reader(file)]
        elif path.is_file() and path.name != "files.json":
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def kill_until_done(folder: Path, num_kills: int, rng: random.Random) -> int:
    """Run the study, killing a random process of it at random moments; number of kills that hit."""
    kills = 0
    while True:
        process = start(folder)
        while process.poll() is None and kills < num_kills:
            time.sleep(rng.uniform(0.3, 4.5))
            alive = processes_of(process.pid)
            if alive and process.poll() is None:
                os.kill(rng.choice([process.pid, *alive]), signal.SIGKILL)
                kills += 1
        output = process.communicate()[0].decode()
        assert process.returncode in (0, 1, -signal.SIGKILL), output
        assert "Traceback" not in output, output
        if process.returncode == 0:
            return kills


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert subprocess.run([BAKEOFF, *WORDS], cwd=folder, check=False, capture_output=True).returncode == 0
    return contents(folder)


def same_after_kills(folder: Path, num_kills: int, expected: dict[str, object], seed: int) -> None:
    rng = random.Random(seed)
    kills = rounds = 0
    while kills < num_kills:
        rounds += 1
        (folder / str(rounds)).mkdir()
        kills += kill_until_done(folder / str(rounds), min(KILLS_A_STUDY, num_kills - kills), rng)
        found = contents(folder / str(rounds))
        assert found.keys() == expected.keys()
        assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.slow
def test_thirty_kills_change_no_byte(tmp_path, uninterrupted):
    same_after_kills(tmp_path, 30, uninterrupted, seed=0)


@pytest.mark.long
def test_two_hundred_kills_change_no_byte(tmp_path, uninterrupted):
    same_after_kills(tmp_path, 200, uninterrupted, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("wait", [[], ["--wait"]], ids=["refused", "waiting"])
def test_three_commands_at_once_begin_one_study(tmp_path, wait):
    command = [BAKEOFF, "run", "quickstart", "--epochs", "1", "--seeds", "1", "--recipes", "lenet5"]
    command += ["--jobs", "1", "--no-check", *wait, "--out"]
    for race in range(4):
        root = tmp_path / str(race)
        processes = [
            subprocess.Popen(
                [*command, str(root)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for _ in range(3)
        ]
        outputs = [process.communicate()[0] for process in processes]
        codes = [process.returncode for process in processes]
        assert 0 in codes, outputs
        for code, output in zip(codes, outputs, strict=True):
            assert code == 0 or (code == 2 and "is in use by" in output and not wait), output
        assert not list(root.rglob("*.tmp"))
