"""The photographs' test split as files and as arrays, and a folder of images among much that is none."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.predict.trained import stored

from bakeoff.data import decode_image


@pytest.fixture(scope="session")
def split_files(photo_study, photographs) -> list[Path]:
    """In the order of the test split."""
    return [photographs / name for name in stored(photo_study, "lenet5", 0)["test_ids"]]


@pytest.fixture(scope="session")
def split_images(split_files):
    return np.stack([decode_image(file, 32) for file in split_files])


@pytest.fixture
def mixed(tmp_path, split_files) -> Path:
    """A folder of two good images, among much that is none."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(split_files[0], folder / "a good.png")
    (folder / "b empty.png").touch()
    (folder / "c text.jpg").write_text("no image")
    (folder / "d cut.png").write_bytes(split_files[1].read_bytes()[:-900])
    os.mkfifo(folder / "e pipe.png")
    (folder / "f broken link.png").symlink_to("nowhere")
    Image.fromarray(np.full((40, 60), 60000, np.uint16)).save(folder / "g grey.png")
    (folder / "loop").symlink_to(folder)
    return folder
