"""Commands as real processes."""

import os
import subprocess
import sys
from pathlib import Path


def bakeoff(*words: object, folder: Path, fails: bool = False) -> str:
    """What a command prints; with `fails`, its message."""
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout
