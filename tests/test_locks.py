import errno
import os
import subprocess
import sys

import pytest
from filelock import Timeout

from bakeoff.locks import is_held, lock_at

WITHOUT_LOCKS = """
import sys, time
from pathlib import Path
from filelock import Timeout
from tests.faults.kernel import FLOCK, fail_always
from bakeoff.locks import how_to_unlock, lock_at

fail_always(FLOCK, int(sys.argv[1]))
lock = lock_at(Path(".lock"))
try:
    lock.acquire(timeout=0)
except Timeout:
    print("held" + how_to_unlock(lock), flush=True)
else:
    print("acquired", flush=True)
    time.sleep(60 if "stay" in sys.argv else 0)
    lock.release()
"""


def without_locks(folder, *words):
    """A process for which the kernel has no locks: it acquires the lock of a folder and perhaps stays."""
    return subprocess.Popen(
        [sys.executable, "-c", WITHOUT_LOCKS, *map(str, words)], cwd=folder, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_lock_is_held_by_one(tmp_path):
    first, second = lock_at(tmp_path / ".lock"), lock_at(tmp_path / ".lock")
    with first, pytest.raises(Timeout):
        second.acquire(timeout=0)
    second.acquire(timeout=0)
    second.release()


def test_whether_a_lock_is_held_is_seen_without_leaving_a_trace(tmp_path):
    assert not is_held(tmp_path / ".lock")
    assert not any(tmp_path.iterdir())
    with lock_at(tmp_path / ".lock"):
        assert is_held(tmp_path / ".lock")
    assert not is_held(tmp_path / ".lock")
    (tmp_path / ".lock.soft").touch()
    assert is_held(tmp_path / ".lock")


@pytest.mark.needs("seccomp")
@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_a_file_stands_for_one_and_dies_with_its_process(tmp_path, error):
    with without_locks(tmp_path, error, "stay") as first:
        assert first.stdout.readline() == "acquired\n"
        with without_locks(tmp_path, error) as second:
            output, warning = second.communicate()
        first.kill()
    assert output == "held (if it is not running anymore, delete .lock.soft)\n"
    assert warning == (
        ".: this file system has no locks; do not start another command there from another machine\n"
    )
    with without_locks(tmp_path, error) as third:
        assert third.communicate()[0] == "acquired\n"
    assert list(tmp_path.iterdir()) == []
