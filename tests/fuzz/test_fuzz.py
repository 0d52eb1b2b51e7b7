"""The fuzzer runs each of its targets, and none fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_every_target_is_fuzzed(photographs: Path):
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("fuzz.py"), "--cases", "60"],
        env={**os.environ, "BAKEOFF_STL10": str(photographs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cases = re.findall(r"^\w+ +([\d,]+) cases .* 0 failures", done.stdout, re.MULTILINE)
    (total,) = re.findall(r"^([\d,]+) cases, seed 0: 0 failures", done.stdout, re.MULTILINE)
    assert sum(map(int, cases)) == int(total) > 40
