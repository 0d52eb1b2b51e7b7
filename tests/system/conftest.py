"""A real file system of a few megabytes, to be filled, emptied and made read-only."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs of its own, mounted at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, *, leave_kib: int = 0) -> None:
        """Take all room but this much."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while self.free_kib() > leave_kib:
                    file.write(bytes(4096))
            except OSError:
                assert self.free_kib() == 0

    def free_kib(self) -> int:
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize // 1024

    def make_room(self) -> None:
        self._filler.unlink()

    def make_read_only(self) -> None:
        _run("mount", "-o", "remount,ro", self.path)


def _run(*words: str | Path) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(
            f"the tests of a full disk have to mount a small one, but {' '.join(map(str, words))} says "
            f"{done.stderr.strip()!r}; run pytest as root, or as `unshare --map-root-user --mount pytest`"
        )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], SmallDisk]]:
    """Mounts a file system of the size given, such as 8m; it is gone after the test."""
    mounted: list[Path] = []

    def mount(size: str) -> SmallDisk:
        path = tmp_path / f"disk {len(mounted)}"
        path.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path)
        mounted.append(path)
        return SmallDisk(path)

    yield mount
    for path in mounted:
        _run("umount", "--lazy", path)
