"""Locks between processes, also on file systems that have none."""

from __future__ import annotations

import errno
import logging
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What locking a file fails with on some network and FUSE file systems."""


def lock_at(path: Path) -> BaseFileLock:
    """A lock that one process holds at a time, not acquired yet; its file is in an existing folder.

    On a file system without locks, the existence of a file PATH.soft stands for the lock, which a warning
    reports once per folder. If its holder is killed, other processes of the same machine see that.
    """
    if _can_lock(path):
        return FileLock(path)
    _warn(path.parent)
    return SoftFileLock(path.with_name(f"{path.name}.soft"))


def how_to_unlock(lock: BaseFileLock) -> str:
    """What to do if the holder of a lock is dead, for messages; "" if its locks died with it."""
    if isinstance(lock, SoftFileLock):
        return f" (if it is not running anymore, delete {lock.lock_file})"
    return ""


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of `lock_at(path)`; creates and changes nothing."""
    if path.with_name(f"{path.name}.soft").exists():
        return True
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    finally:
        os.close(descriptor)
    return False


@cache
def _warn(folder: Path) -> None:
    logging.getLogger(__name__).warning(
        "%s: this file system has no locks; do not start another command there from another machine",
        folder,
    )


def _can_lock(path: Path) -> bool:
    if sys.platform == "win32":
        return True
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError:
        return True  # FileLock reports it
    try:
        # Shared, so that of several processes that try at once, one can still acquire the lock.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            with suppress(OSError):
                path.unlink()
            return False
    finally:
        os.close(descriptor)
    return True
