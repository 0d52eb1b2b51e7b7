"""Files are complete or absent; JSON without NaN, CSV that shows what is not known as empty."""

import errno
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bakeoff.errors import BakeoffError
from bakeoff.files import (
    cannot_write,
    check_replaceable,
    jsonable,
    open_atomically,
    read_bytes,
    to_csv,
    to_json,
    write_text,
)


@dataclass(frozen=True)
class Point:
    name: str
    at: tuple[float, ...]
    inner: object = None

    @property
    def ignored(self) -> int:
        return 1


def test_jsonable_gives_plain_values_and_none_for_what_is_not_finite() -> None:
    value = {
        "points": [Point("a", (1.0, math.nan), Point("b", ()))],
        "array": np.array([[1.5, np.inf], [-np.inf, 2.0]]),
        "counts": np.arange(3),
        "one": np.float64(0.25),
        "nothing": np.float32(np.nan),
        "flag": np.bool_(True),
    }
    plain = jsonable(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain == {
        "points": [{"name": "a", "at": [1.0, None], "inner": {"name": "b", "at": [], "inner": None}}],
        "array": [[1.5, None], [None, 2.0]],
        "counts": [0, 1, 2],
        "one": 0.25,
        "nothing": None,
        "flag": True,
    }
    assert list(plain) == list(value)


def test_csv_leaves_empty_what_is_not_known() -> None:
    rows = [(None, math.nan, np.float64(np.inf)), (0, np.float64(0.1), "=1")]
    assert to_csv(("a", "b", "c"), rows) == "a,b,c\n,,\n0,0.1,'=1\n"


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail():
        with open_atomically(path) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(BakeoffError, match="No space left"):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """A real limit on file size, in a process of its own, stands for the full disk."""
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from bakeoff.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_text(Path(sys.argv[1]) / 'big.txt', 'x' * 5000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_json_keeps_lists_of_numbers_on_one_line_and_every_value() -> None:
    value = {"a": [1, 2.5, None], "b": ["x]y", "[\n", "  z "], "c": [[1, 2], [3]], "d": {"e": []}}
    text = to_json(value)
    assert json.loads(text) == value
    assert "[ 1, 2.5, null ]" in text


def test_a_limit_beyond_the_memory_costs_none(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"state")
    assert read_bytes(tmp_path / "small", 1 << 60) == b"state"
    with pytest.raises(OSError, match="5 bytes, expected 4 at most"):
        read_bytes(tmp_path / "small", 4)


def test_only_an_earlier_version_of_a_file_may_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    check_replaceable(file, "a,b\n")
    for content in ("", "a,b\n1,2\n"):
        file.write_text(content)
        check_replaceable(file, "a,b\n")
    for content in ("a,c\n", "a", 'name = "mine"\n'):
        file.write_text(content)
        with pytest.raises(BakeoffError, match=r"table\.csv exists with other content.*choose another file"):
            check_replaceable(file, "a,b\n")
        assert file.read_text() == content
    with pytest.raises(BakeoffError, match="not a regular file"):
        check_replaceable(Path("/dev/null"), "a,b\n")
    with pytest.raises(BakeoffError, match=r"cannot write .*: there is no folder .*missing; create it first"):
        check_replaceable(tmp_path / "missing/table.csv", "a,b\n")
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space or choose another folder (what was finished is intact)"),
        (errno.EACCES, "get the permission to write there or choose another folder"),
        (errno.ENAMETOOLONG, "choose another folder"),
    ],
)
def test_the_remedy_is_one_for_what_is_wrong(number: int, remedy: str) -> None:
    error = cannot_write(Path("out"), OSError(number, os.strerror(number)), "path")
    assert (str(error), error.parameter) == (f"cannot write out: {os.strerror(number)}; {remedy}", "path")
