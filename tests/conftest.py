"""Fixtures for all tests: a cache of their own, and the real STL-10 images."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def image_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point BAKEOFF_CACHE at a folder of this test session, for this process and its children."""
    directory = tmp_path_factory.mktemp("cache")
    before = os.environ.get("BAKEOFF_CACHE")
    os.environ["BAKEOFF_CACHE"] = str(directory)
    yield directory
    if before is None:
        del os.environ["BAKEOFF_CACHE"]
    else:
        os.environ["BAKEOFF_CACHE"] = before


@pytest.fixture(scope="session")
def stl10_dir() -> Path:
    """The folder of real STL-10 images (see docs/development.md for its layout)."""
    directory = Path(os.environ.get("BAKEOFF_STL10", REPOSITORY.parent / "shared" / "data" / "stl10"))
    if not (directory / "splits" / "train.txt").is_file():
        pytest.fail(f"no STL-10 images in {directory}: set BAKEOFF_STL10 to a folder with splits/train.txt")
    return directory.resolve()


@pytest.fixture(scope="session")
def stl10_study(stl10_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study folder of real images: two recipes of the published study, two seeds, two epochs."""
    root = tmp_path_factory.mktemp("stl10 study") / "study"
    words = ["lenet5-stl10", "--data", f"splits:{stl10_dir}", "--recipes", "lenet5,lenet5_batch_norm"]
    words += ["--seeds", "2", "--epochs", "2", "--no-check", "--out", str(root)]
    subprocess.run([sys.executable, "-m", "bakeoff", "run", *words], check=True, stdout=subprocess.DEVNULL)
    return root
