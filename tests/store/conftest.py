"""A small study, its images, one run of it, and a folder to keep them in."""

import pytest
import torch

from bakeoff.data import load_data
from bakeoff.store import prepare_folder
from bakeoff.study import load_study
from bakeoff.training import train


@pytest.fixture(scope="session")
def study():
    return load_study("quickstart", seeds=2, epochs=1, recipes=["lenet5", "lenet5_batch_norm"])


@pytest.fixture(scope="session")
def data(study):
    return load_data(study.data)


@pytest.fixture(scope="session")
def run(study, data):
    torch.set_num_threads(1)
    return train(study.recipes["lenet5"], 0, data, all_attributions=True)


@pytest.fixture
def layout(tmp_path, study, data):
    return prepare_folder(tmp_path / "study", study, data, {"python": "3"})
