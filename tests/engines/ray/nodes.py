"""Nodes of a Ray cluster, the command that uses them, and what it leaves."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BAKEOFF = str(Path(sys.executable).with_name("bakeoff"))
RAY = str(Path(sys.executable).with_name("ray"))


@contextmanager
def ray_node(
    *words: str,
    hidden: Path | None = None,
    within: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> Iterator[None]:
    """A node of `ray start`; it sees nothing in the folder `hidden`, nor in those of other nodes."""
    command = [RAY, "start", "--block", *words]
    if hidden:
        hide = "for folder in $0 /tmp/ray /dev/shm; do mkdir -p $folder && mount -t tmpfs tmpfs $folder; done"
        command = ["unshare", "--mount", "bash", "-c", f'{hide}; cd / && exec "$@"', str(hidden), *command]
    process = subprocess.Popen(
        [*within, *command],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ray runtime started" in line:
                break
        else:
            pytest.fail("".join(said))
        yield
    finally:
        process.terminate()
        process.communicate()


def joining(cluster) -> tuple[str, str]:
    return f"--address={cluster.address}", "--num-cpus=1"


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BAKEOFF, "run", *words, "--no-check"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def run(folder: Path, *words: str, exits: int = 0) -> str:
    process = start(folder, *words)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == exits, said
    return said


def contents(study: Path) -> dict[str, object]:
    """Bytes of the results, and the history without its times, which files.json depends on."""
    found: dict[str, object] = {}
    for path in sorted(path for place in ("runs", "sizes") for path in (study / place).rglob("*.*")):
        if path.name == "history.csv":
            with path.open(newline="") as file:
                found[str(path.relative_to(study))] = [row[:-1] for row in csv.reader(file)]
        elif path.name != "files.json":
            found[str(path.relative_to(study))] = path.read_bytes()
    return found


def assert_same(found: dict[str, object], expected: dict[str, object]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
