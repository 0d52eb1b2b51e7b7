"""What some tests need beside the Python packages, how it is found, and how to get it.

A test says so with `@pytest.mark.needs(NAME)`; one that requests a fixture listed with the need gets the mark
by that. Where the thing is missing the test is left out, and the end of the run says in a line how many were
and why. With BAKEOFF_TEST_ALL=1, as in CI, it fails instead. `pytest -m needs` runs these tests alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.faults.kernel import works_here

from bakeoff.kernels.compile import find_compiler

TEST_ALL = "BAKEOFF_TEST_ALL"
REPOSITORY = Path(__file__).resolve().parent.parent
STL10 = Path(os.environ.get("BAKEOFF_STL10", REPOSITORY.parent / "shared" / "data" / "stl10")).resolve()

OTHER_USER = 4242
"""A user id that no user should have."""


FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


def has_fashion_mnist() -> bool:
    return (FASHION_MNIST / "train-images-idx3-ubyte.gz").is_file()


def has_stl10() -> bool:
    return (STL10 / "splits" / "train.txt").is_file()


def has_browser() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


def can_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return False
        subprocess.run(["umount", folder], check=True)
        return True


def can_change_user() -> bool:
    """Whether a child process can become another user who may enter the folder of temporary files."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    code = (
        f"import os; os.setgid({OTHER_USER}); os.setuid({OTHER_USER}); os.listdir({tempfile.gettempdir()!r})"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def has_compiler() -> bool:
    return find_compiler() is not None


def sanitizer_runtimes() -> list[Path]:
    """What a Python that loads a library with GCC's sanitizers has to preload; empty without GCC on Linux."""
    if sys.platform != "linux" or not shutil.which("g++"):
        return []
    found = []
    for name in ("libasan.so", "libstdc++.so"):  # the second for exceptions
        words = ["g++", f"-print-file-name={name}"]
        found.append(Path(subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()))
    return found if all(path.is_absolute() for path in found) else []


def has_sanitizers() -> bool:
    return bool(sanitizer_runtimes())


def has_seccomp() -> bool:
    return works_here()


def has_namespaces() -> bool:
    words = ["unshare", "--map-user=4242", "--map-group=4242", "--net", "true"]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def has_mlflow() -> bool:
    return all(find_spec(name) for name in ("mlflow", "sqlalchemy", "alembic"))


def has_wandb() -> bool:
    return find_spec("wandb") is not None


class Need(NamedTuple):
    """Something outside Python that some tests need.

    Attributes
    ----------
    what
        Completes "tests that need ...".
    how_to_get
        In a few words, for the end of the run.
    is_there
        Looks for it on this machine.
    fixtures
        Fixtures that use it: a test that requests one of them is marked by that.
    """

    what: str
    how_to_get: str
    is_there: Callable[[], bool]
    fixtures: frozenset[str] = frozenset()


NEEDS = {
    "stl10": Need(
        "STL-10 images",
        "set BAKEOFF_STL10 to a folder with splits/train.txt; see docs/development.md",
        has_stl10,
        frozenset({"stl10_dir"}),
    ),
    "fashion-mnist": Need(
        "Fashion-MNIST",
        "on Debian: apt-get install dataset-fashion-mnist",
        has_fashion_mnist,
    ),
    "browser": Need(
        "a browser",
        "install chromium and chromedriver, on Debian: apt-get install chromium chromium-driver",
        has_browser,
        frozenset({"browser"}),
    ),
    "mount": Need(
        "to mount small disks",
        "run pytest as root, or on Linux: unshare --map-root-user --mount pytest",
        can_mount,
        frozenset({"small_disk"}),
    ),
    "seccomp": Need(
        "filters of system calls",
        "run pytest on Linux, x86-64, where seccomp(2) may notify",
        has_seccomp,
    ),
    "namespaces": Need(
        "user and network namespaces",
        "run pytest on Linux, where unshare(1) may make user namespaces",
        has_namespaces,
    ),
    "other users": Need(
        "processes of other users",
        "run pytest as root",
        can_change_user,
    ),
    "compiler": Need(
        "a C++ compiler",
        "install g++ or clang++, or set CXX",
        has_compiler,
    ),
    "mlflow": Need(
        "MLflow and its database",
        "pip install -c constraints.txt -e '.[mlflow]'",
        has_mlflow,
    ),
    "wandb": Need(
        "Weights & Biases",
        "pip install -c constraints.txt -e '.[wandb]'",
        has_wandb,
    ),
    "sanitizers": Need(
        "GCC and its sanitizers on Linux",
        "install g++ on Linux",
        has_sanitizers,
    ),
}


@pytest.fixture(scope="session")
def stl10_dir() -> Path:
    """The folder of real STL-10 images (see docs/development.md for its layout)."""
    return STL10


@cache
def is_there(name: str) -> bool:
    """Whether this machine has it; looked for once in each process."""
    return NEEDS[name].is_there()


def reason(name: str) -> str:
    """What a skipped test says."""
    return f"needs {NEEDS[name].what}"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", f"needs(name): left out where it is missing: {', '.join(NEEDS)}")


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that request a fixture of a need."""
    for item in items:
        requested = set(getattr(item, "fixturenames", ()))
        for name, need in NEEDS.items():
            if need.fixtures & requested:
                item.add_marker(pytest.mark.needs(name))


@pytest.hookimpl(tryfirst=True)  # before a fixture is made that needs it
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out a test that lacks what it needs, or let it fail."""
    for (name,) in (mark.args for mark in item.iter_markers("needs")):
        if not is_there(name):
            if os.environ.get(TEST_ALL):
                pytest.fail(f"{reason(name)} ({NEEDS[name].how_to_get}); {TEST_ALL} is set", pytrace=False)
            pytest.skip(reason(name))


def _missing(report: pytest.TestReport) -> str | None:
    """The need for whose lack this test was skipped."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return None
    return next((name for name in NEEDS if report.longrepr[2] == f"Skipped: {reason(name)}"), None)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Count these tests apart from others that are skipped."""
    return ("left out", "s", "LEFT OUT") if _missing(report) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in a line each what was missing, for how many tests, and how to get it."""
    left_out = [_missing(report) for report in terminalreporter.getreports("left out")]
    for name, need in NEEDS.items():
        if number := left_out.count(name):
            tests = "1 test that needs" if number == 1 else f"{number} tests that need"
            terminalreporter.write_line(f"left out: {tests} {need.what} ({need.how_to_get})")
