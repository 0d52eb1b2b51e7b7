"""One writer at a time in a study folder."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bakeoff.errors import BakeoffError


@contextmanager
def lock_folder(root: Path, *, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a study folder. The system gives the lock back when its holder dies, however it dies.

    Parameters
    ----------
    root
        The study folder, made if it is not there.
    on_wait
        Told who holds the folder; then wait for it. Without it, a folder in use is refused.

    Raises
    ------
    BakeoffError
        If another process holds the folder (without `on_wait`), or the folder cannot be written.
    """
    holder = root / ".lock-holder.json"
    lock = FileLock(root / ".lock")
    try:
        root.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout as busy:
            text = f"{root} is in use by {_describe(holder)}"
            if on_wait is None:
                raise BakeoffError(
                    f"{text}; wait until it is done (--wait does), or choose another folder with --out"
                ) from busy
            on_wait(text)
            lock.acquire(timeout=-1)
    except OSError as error:
        raise BakeoffError(
            f"cannot write to {root}: {error.strerror or error}; choose another folder with --out"
        ) from error
    try:
        with suppress(OSError):  # a courtesy: what cannot be written is told by whoever needs it
            holder.write_text(json.dumps({"process": os.getpid(), "host": platform.node()}), "utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def _describe(holder: Path) -> str:
    try:
        found = json.loads(holder.read_text("utf-8"))
        return f"process {found['process']} on {found['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
