"""Odd surroundings, in real processes: a command works there, or says in one line what to do."""

import os
import subprocess
import sys

import pytest

BAKEOFF = [sys.executable, "-m", "bakeoff"]
DIGITS = ["quickstart", "--recipes", "lenet5", "--seeds", "2", "--epochs", "1", "--set", "data.image_size=16"]
RUN = ["run", *DIGITS, "--jobs", "2", "--out", "study"]
NAMELESS = ["unshare", "--map-user=4242", "--map-group=4242"]
"""Runs a command as a user id that has no name; the files of the tests belong to it."""


def bakeoff(*words, cwd, code=0, under=(), unset=(), **variables):
    """Run a command to its end, and see that it gave no traceback and no warning."""
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"COLUMNS": "1000", **variables}
    done = subprocess.run(
        [*under, *BAKEOFF, *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if code == 0:
        assert done.stderr == ""
    else:
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
    return done


PERSONAL = ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "BAKEOFF_CACHE")


@pytest.mark.needs("namespaces")
def test_a_user_without_home_is_told_how_to_name_a_folder(tmp_path):
    done = bakeoff("data", "info", "digits", cwd=tmp_path, code=2, under=NAMELESS, unset=PERSONAL)
    assert "no home folder" in done.stderr
    assert "set the environment variable BAKEOFF_CACHE to a writable folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.needs("namespaces")
def test_a_user_without_name_and_home_who_named_a_folder(tmp_path):
    for words in (RUN, ["report", "study"], ["data", "info", "digits"]):
        bakeoff(*words, cwd=tmp_path, under=NAMELESS, unset=PERSONAL, BAKEOFF_CACHE="cache")
