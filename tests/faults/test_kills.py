"""Small studies killed at random moments, most of them early: ten kills, or 200."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("seccomp")  # every command is run as in every_point.py


def kill(*words: str) -> str:
    script = Path(__file__).with_name("kills.py")
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_ten_early_kills_lose_nothing():
    assert kill("--sample").startswith("10 kills in")


@pytest.mark.long
def test_kills_of_small_studies_lose_nothing():
    assert kill().startswith("200 kills in")
