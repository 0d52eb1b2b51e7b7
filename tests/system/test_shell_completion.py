"""Completion in a real bash: what the key Tab makes of a line."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

SECONDS = 60


def environment(home: Path) -> dict[str, str]:
    """A shell of a user without settings, which finds the `bakeoff` of this Python."""
    scripts = Path(sys.executable).parent
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "HOME": str(home), "PATH": path, "PS1": "$ ", "TERM": "dumb"}


def type_into_bash(home: Path, keys: list[tuple[str, str]]) -> str:
    """Type the first of each pair into an interactive bash, each after the second of the last was printed."""
    master, terminal = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--rcfile", str(home / ".bashrc"), "-i"],
        stdin=terminal, stdout=terminal, stderr=terminal, env=environment(home), start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    printed = ""
    try:
        for typed, wanted in keys:
            os.write(master, typed.encode())
            printed, end = "", time.monotonic() + SECONDS
            while wanted not in printed:
                assert time.monotonic() < end, printed
                if select.select([master], [], [], 1)[0]:
                    printed += os.read(master, 4096).decode()
    finally:
        shell.kill()
        shell.wait()
        os.close(master)
    return printed


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_tab_completes_commands_and_options(tmp_path):
    # As a user does it: installed in one shell, there in the next one.
    done = subprocess.run(
        ["bash", "--norc", "-c", "bakeoff --install-completion; true"],
        env=environment(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "bash completion installed" in done.stdout, done.stdout + done.stderr
    type_into_bash(
        tmp_path,
        [
            ("echo rea''dy\n", "ready"),
            ("bakeoff eval\t", "evaluate "),
            ("\x15bakeoff data ch\t", "check "),
            ("\x15bakeoff run --metr\t", "--metric "),
        ],
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_the_script_can_be_printed(tmp_path):
    script = 'eval "$(bakeoff --show-completion)"; complete -p bakeoff'
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "complete -o default -F _bakeoff_completion bakeoff\n"
    assert not (tmp_path / ".bashrc").exists()
