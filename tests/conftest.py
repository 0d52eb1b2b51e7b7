"""Fixtures for all tests: a cache of their own, real photographs and a study of them, real small disks."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from tests.photographs import write_photographs

import bakeoff

pytest_plugins = ["tests.needs"]


if "PYTEST_XDIST_WORKER" not in os.environ:  # for what the processes of this run share while they collect
    _shared = tempfile.TemporaryDirectory(prefix="bakeoff-tests-")
    atexit.register(_shared.cleanup)
    os.environ["BAKEOFF_TEST_SHARED"] = _shared.name
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each of hundreds of processes compiles Bakeoff again


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the documentation: its pages share studies, which each process that runs some makes anew."""
    items.sort(key=lambda item: item.path.name != "test_docs.py")


@pytest.fixture(scope="session", autouse=True)
def folders_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point cache and state at folders of this test session, for this process and its children."""
    names = ("BAKEOFF_CACHE", "XDG_STATE_HOME")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: str(tmp_path_factory.mktemp(name.lower())) for name in names})
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def study() -> bakeoff.Study:
    """A small study of digits, as a value: two recipes, two seeds, two epochs."""
    small = bakeoff.load_study("quickstart", epochs=2, seeds=2, recipes=["lenet5"])
    lenet5 = small.recipes["lenet5"]
    return small.changed(
        name="api",
        data={"image_size": 16},
        baseline="lenet5",
        recipes={"batch_norm": lenet5.changed(model={"batch_norm": True})},
    )


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Gives a folder that the function makes, once for all processes of this run of pytest."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        with FileLock(root / f"{name}.lock"):
            if not (root / name).exists():
                shutil.rmtree(root / f"{name} unfinished", ignore_errors=True)
                make(root / f"{name} unfinished")
                (root / f"{name} unfinished").rename(root / name)
        return root / name

    return folder


@pytest.fixture(scope="session")
def photographs(made_once: Callable[..., Path]) -> Path:
    """A `splits:` folder of 1,200 real images in 10 classes (see tests/photographs.py); not to be changed."""
    return made_once("photographs", write_photographs)


@pytest.fixture(scope="session")
def photo_study(photographs: Path, made_once: Callable[..., Path]) -> Path:
    """A study folder of the photographs: two recipes of the published study, two seeds, two epochs."""

    def run(root: Path) -> None:
        words = ["lenet5-stl10", "--data", f"splits:{photographs}", "--recipes", "lenet5,lenet5_batch_norm"]
        words += ["--seeds", "2", "--epochs", "2", "--set", "all_attributions=true"]
        words += ["--no-check", "--out", str(root)]
        subprocess.run(
            [sys.executable, "-m", "bakeoff", "run", *words], check=True, stdout=subprocess.DEVNULL
        )

    return made_once("photo study", run)


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
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr.strip()}"


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
