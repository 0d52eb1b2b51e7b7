"""Few images to evaluate, and training in float64."""

from dataclasses import replace

import pytest
import torch

from bakeoff.data import load_data
from bakeoff.data.image_data import Split
from bakeoff.study import DataSettings
from bakeoff.training.preprocessing import Preprocessing


@pytest.fixture(scope="session")
def data():
    """Of digits, with few images to evaluate: most of them are wrong at first, and get attributions."""
    torch.set_num_threads(1)
    whole = load_data(DataSettings(image_size=16))
    return replace(whole, val=first(whole.val, 100), test=first(whole.test, 50))


def first(split: Split, number: int) -> Split:
    return Split(split.images[:number], split.labels[:number], split.ids[:number])


class InDouble(Preprocessing):
    def __call__(self, images_NHWC, out=None):
        return super().__call__(images_NHWC, out).double()


@pytest.fixture
def in_double(monkeypatch):
    """Models, images and so all arithmetic of training in float64."""
    for module in ("loop", "stacked.parts"):
        monkeypatch.setattr(f"bakeoff.training.{module}.Preprocessing", InDouble)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
