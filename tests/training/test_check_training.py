"""The trial of a recipe before a study: its own parts and batch sizes."""

from dataclasses import replace

import pytest
from tests.kernels.built import LIBRARIES
from tests.trainers.images import DATA

from bakeoff.errors import BakeoffError
from bakeoff.kernels.library import using
from bakeoff.study.recipe import Recipe
from bakeoff.training import check_training

SOURCE = """
import torch
from torch import nn

class Net(nn.Sequential):
    def __init__(self, num_classes, image_size):
        norm, flat = nn.BatchNorm2d(4), nn.Flatten()
        super().__init__(nn.Conv2d(3, 4, image_size), norm, flat, nn.Linear(4, num_classes))

class Branches(Net):
    def forward(self, images):
        return super().forward(images if images.mean() > 0 else -images)

def each(logits, labels):
    return nn.functional.cross_entropy(logits, labels, reduction="none")

def flat(logits, labels):
    return nn.functional.cross_entropy(logits, labels).detach()

def number(logits, labels):
    return 0.5

def infinite(logits, labels):
    return (logits / 0).mean()

def wrong(logits):
    return logits.mean()
"""


@pytest.fixture(autouse=True)
def own_code(tmp_path, monkeypatch):
    (tmp_path / "own_parts.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)


def check(data=DATA, **settings):
    check_training(Recipe(model={"name": "own_parts:Net"}, **settings), data)


def test_a_recipe_that_trains_passes():
    check(optimizer={"name": "torch.optim:RMSprop"})
    check(batch_size=33)  # 33, 33 and 34 of 100 images: one alone joins the batch before it


@pytest.mark.needs("compiler")
def test_it_says_what_keeps_a_model_from_the_kernels():
    with using(next(iter(LIBRARIES.values()))):
        assert check_training(Recipe(model={"name": "own_parts:Net"}), DATA) is None
        reason = check_training(Recipe(model={"name": "own_parts:Branches"}), DATA)
    assert "if images.mean() > 0" in reason
    assert reason.startswith("own_parts.py:12, ")
    with using("none"):
        assert check_training(Recipe(model={"name": "own_parts:Branches"}), DATA) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"batch_size": 1},
            "with 1 image failed .*batch_size = 1 leaves batch normalization",
        ),
        ({"loss": {"name": "own_parts:each"}}, r"returned a tensor \[100\]; expected one number"),
        ({"loss": {"name": "own_parts:flat"}}, "has no gradient"),
        ({"loss": {"name": "own_parts:number"}}, "returned float; expected one number"),
        ({"loss": {"name": "own_parts:infinite"}}, "is (nan|inf|-inf) for the first images"),
        ({"loss": {"name": "own_parts:wrong"}}, "takes 1 positional argument"),
        ({"loss": {"name": "own_parts:nothing"}}, "has no function 'nothing'"),
        ({"optimizer": {"name": "torch.optim:LBFGS"}}, "closure"),
        ({"schedule": {"name": "own_parts:wrong"}}, "own_parts:wrong"),
    ],
)
def test_what_would_fail_in_each_run_is_said_before(settings, message):
    with pytest.raises(BakeoffError, match=message):
        check(**settings)


def test_a_single_training_image_is_said_too():
    train = replace(DATA.train, images=DATA.train.images[:1], labels=DATA.train.labels[:1], ids=("0",))
    with pytest.raises(BakeoffError, match="a training step with 1 image failed"):
        check(replace(DATA, train=train))
