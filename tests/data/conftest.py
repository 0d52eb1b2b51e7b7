"""What several tests of data sources need: small real image files, and settings in one word."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff.data import ImageData, load_data
from bakeoff.study import DataSettings


def _write_image(path: Path, seed: int, size: tuple[int, int] = (12, 10)) -> Path:
    """A noise image in a folder made as needed; each seed gives other pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def change_byte(file: Path, position: int) -> None:
    """Change a byte in place, which leaves size and time of modification as they were."""
    before = file.stat()
    with file.open("r+b") as opened:
        opened.seek(position)
        (byte,) = opened.read(1)
        opened.seek(position)
        opened.write(bytes([byte ^ 1]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def write_image() -> Callable[..., Path]:
    return _write_image


@pytest.fixture
def load() -> Callable[..., ImageData]:
    """load_data with the settings as keywords."""

    def load_with(source: str, **settings: object) -> ImageData:
        return load_data(DataSettings(source=source, **settings))

    return load_with


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of this test alone."""
    directory = tmp_path / "own cache"
    monkeypatch.setenv("BAKEOFF_CACHE", str(directory))
    return directory


@pytest.fixture
def splits_dir(tmp_path) -> Path:
    """A `splits:` folder of two classes: 4, 2 and 2 images; labels are integers."""
    directory = tmp_path / "my images"
    seed = 0
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        lines = []
        for index in range(count):
            name = f"pictures/{split} {index}.png"
            _write_image(directory / name, seed)
            lines.append(f"{name} {index % 2}\n")
            seed += 1
        file = directory / "splits" / f"{split}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(lines), encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def stl10_binary_dir(stl10_dir, tmp_path_factory) -> Path:
    """STL-10 in its official binary format, written by the script that comes with the images."""
    directory = tmp_path_factory.mktemp("stl10") / "stl10_binary"
    script = stl10_dir / "make_stl10_binary.py"
    subprocess.run([sys.executable, script, directory], check=True, stdout=subprocess.DEVNULL)
    return directory


@pytest.fixture(scope="session")
def photographs_binary_dir(photographs, tmp_path_factory) -> Path:
    """The photographs in STL-10's binary format: planes of red, green and blue, column by column."""
    directory = tmp_path_factory.mktemp("photographs") / "stl10_binary"
    directory.mkdir()
    for part in ("train", "test"):
        paths = sorted((photographs / part).iterdir())
        images = [np.asarray(Image.open(path)).transpose(2, 1, 0) for path in paths]
        np.stack(images).tofile(directory / f"{part}_X.bin")
        np.array([path.stem.split("_")[1] for path in paths], np.uint8).tofile(directory / f"{part}_y.bin")
    shutil.copy(photographs / "class_names.txt", directory)
    return directory
