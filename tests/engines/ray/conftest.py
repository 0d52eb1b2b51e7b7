"""A Ray cluster with a token of its own, and a folder of studies to run on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.engines.ray.nodes import contents, run

STUDY = """
name = "own"
seeds = 1
[data]
source = "digits"
[defaults]
epochs = 120
[recipes.lenet5]
[recipes.own.model]
name = "own_model:Net"
[recipes.own.augmentation]
custom = "own_model:Shift"
[recipes.head]
epochs = 2
model = { name = "own_model:Net", weights = "net.safetensors", freeze = "all_but_head" }
"""
OWN_MODEL = """
import numpy as np
from torch import nn

import own_layers


class Net(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.layers = own_layers.layers(image_size, num_classes)

    def forward(self, images):
        return self.layers(images)


class Shift:
    def __call__(self, images, generator):
        return np.roll(images, generator.integers(-2, 3), axis=2)
"""
OWN_LAYERS = """
from torch import nn


def layers(size, num_classes):
    hidden = nn.Linear(3 * size * size, 32)
    return nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), nn.Linear(32, num_classes))
"""
FAILING = """
name = "failing"
seeds = 1
[data]
source = "digits"
[defaults]
epochs = 2
[recipes.good]
[recipes.diverges.optimizer]
lr = 1e30
[recipes.raises.model]
name = "failing_models:Raises"
[recipes.dies.model]
name = "failing_models:Dies"
"""
FAILING_MODELS = """
import os

from torch import nn


class Raises(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))

    def forward(self, images):
        if len(images) > 200:  # in the first evaluation: no trial sees it
            self.fail()
        return self.layers(images)

    def fail(self):
        raise LookupError("nothing found")


class Dies(Raises):
    def fail(self):
        os._exit(3)
"""


@pytest.fixture(scope="session", autouse=True)
def ray_environment() -> Iterator[None]:
    """A token of these tests alone; without one, Ray would write one to the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


@pytest.fixture(scope="session")
def cluster(ray_environment):
    """A head without a core; each test adds its nodes."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("own")
    texts = {"own.toml": STUDY, "own_model.py": OWN_MODEL, "own_layers.py": OWN_LAYERS}
    texts |= {"failing.toml": FAILING, "failing_models.py": FAILING_MODELS}
    for name, text in texts.items():
        (made / name).write_text(text)
    weight = torch.randn((32, 3 * 32 * 32), generator=torch.Generator().manual_seed(0)) / 50
    save_file({"layers.1.weight": weight, "layers.1.bias": torch.zeros(32)}, made / "net.safetensors")
    return made


@pytest.fixture(scope="session")
def expected(folder) -> dict[str, object]:
    """What local processes give."""
    run(folder, "own.toml", "--out", "processes")
    return contents(folder / "processes")
