"""One thread, as a worker has, and images to train on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bakeoff.data.image_data import ImageData, Split


@pytest.fixture
def one_thread():
    """As a worker trains."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data() -> ImageData:
    """Scikit-learn's digits, enlarged by repeating pixels: real, and independent of the data room."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = (digits.images * (255 / 16)).round().astype(np.uint8).repeat(2, 1).repeat(2, 2)
    images, labels = np.stack([grey] * 3, axis=3), digits.target.astype(np.int64)

    def split(start: int, stop: int) -> Split:
        ids = tuple(str(index) for index in range(start, stop))
        return Split(images[start:stop], labels[start:stop], ids)

    scaled = images[:700] / 255
    return ImageData(
        train=split(0, 700),
        val=split(700, 1000),
        test=split(1000, 1797),
        class_names=tuple("0123456789"),
        mean=tuple(scaled.mean((0, 1, 2)).tolist()),
        std=tuple(scaled.std((0, 1, 2)).tolist()),
        source="digits",
        fingerprint="digits",
        notes=(),
        directory=Path("nowhere"),
    )
