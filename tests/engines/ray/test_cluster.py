"""Joining a Ray cluster, and what is refused."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.engines.ray.nodes import run


def test_what_cannot_be_joined_is_told_at_once(folder):
    for address, words in {
        "127.0.0.1:1": "nothing answers at 127.0.0.1:1 (",
        "ray://127.0.0.1:10001": "expected HOST:PORT of a Ray cluster",
        "head": "expected HOST:PORT of a Ray cluster",
    }.items():
        began = time.monotonic()
        said = run(folder, "own.toml", "--engine", "ray", "--address", address, exits=2)
        assert words in said
        assert time.monotonic() - began < 20
    assert "--address HOST:PORT with --engine ray" in run(folder, "own.toml", "--address", "auto", exits=2)
    assert "expected processes, ray" in run(folder, "own.toml", "--engine", "slurm", exits=2)


def test_without_the_extra_it_says_what_to_install(folder):
    words = ["run", "own.toml", "--engine", "ray"]
    script = (
        f"import sys; sys.modules['ray'] = None; sys.argv[1:] = {words}; from bakeoff.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install -c constraints.txt '.[ray]'" in done.stderr
