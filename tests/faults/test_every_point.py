"""Errors and deaths at the calls of a study on its files: a sample of them, or all."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("seccomp")


def try_points(*words: str) -> int:
    script = Path(__file__).with_name("every_point.py")
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (number,) = re.findall(r"^(\d+) of \d+ points in \d+ s, 0 problems$", done.stdout, re.MULTILINE)
    return int(number)


@pytest.mark.slow
def test_a_sample_of_faults_loses_nothing():
    assert try_points("--sample", "8") == 8


@pytest.mark.long
def test_no_fault_at_any_point_loses_anything():
    assert try_points() > 500
