"""Models: shapes, parameter counts, and what is refused of a user's own."""

import sys

import pytest
import torch

from bakeoff.errors import BakeoffError
from bakeoff.models import build_model, check_model
from bakeoff.own_code import source_digest
from bakeoff.study import Recipe
from bakeoff.study.settings.model import CustomModelSettings, LeNet5Settings


def lenet5(**options):
    return build_model(LeNet5Settings(**options), num_classes=10, image_size=32, seed=0)


def test_the_seed_alone_decides_the_weights():
    torch.manual_seed(1)
    first = lenet5().state_dict()
    torch.manual_seed(2)
    second = lenet5().state_dict()
    other = build_model(LeNet5Settings(), num_classes=10, image_size=32, seed=1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    lenet5()
    assert torch.equal(torch.rand(3), expected)


USER_MODELS = """
import torch
from torch import nn

class Good(nn.Module):
    def __init__(self, num_classes, image_size, width=4):
        super().__init__()
        wide = nn.Linear(3 * image_size**2, width)
        self.layers = nn.Sequential(nn.Flatten(), wide, nn.Linear(width, num_classes))
    def forward(self, images):
        return self.layers(images)

class WrongShape(Good):
    def forward(self, images):
        return self.layers(images)[:, :3]

class NotFinite(Good):
    def forward(self, images):
        return self.layers(images) / 0

class Raises(Good):
    def forward(self, images):
        raise RuntimeError("no forward today")

class Frozen(Good):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.requires_grad_(False)

class NoModule:
    def __init__(self, num_classes, image_size):
        pass

class Lazy(nn.Sequential):
    def __init__(self, num_classes, image_size):
        super().__init__(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(num_classes))

class View(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.output = nn.Linear(4 * ((image_size - 2) // 2) ** 2, num_classes)

    def forward(self, images):
        pooled = nn.functional.max_pool2d(nn.functional.relu(self.convolution(images)), 2)
        return self.output(pooled.view(pooled.shape[0], -1))

class Softmaxed(nn.Sequential):
    def __init__(self, num_classes, image_size):
        super().__init__(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes), nn.Softmax(dim=1))

class LogSoftmaxed(nn.Sequential):
    def __init__(self, num_classes, image_size):
        super().__init__(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes), nn.LogSoftmax(dim=1))

class FixedSeed(nn.Sequential):
    def __init__(self, num_classes, image_size):
        torch.manual_seed(42)
        super().__init__(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))

class Squeezed(Lazy):
    def forward(self, images):
        return super().forward(images).squeeze()

class Guessing(Lazy):
    def forward(self, images):
        logits = super().forward(images)
        return logits + torch.randn_like(logits)

class OfTheBatch(nn.Sequential):
    def __init__(self, num_classes, image_size):
        norm = nn.BatchNorm2d(3, track_running_stats=False)
        super().__init__(norm, nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))
"""


@pytest.fixture
def user_models(tmp_path, monkeypatch):
    (tmp_path / "user_models.py").write_text(USER_MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "user_models.py"
    sys.modules.pop("user_models", None)


def check(name, **options):
    return check_model(CustomModelSettings(name=name, **options), num_classes=10, image_size=8)


def test_a_users_model_is_built_with_its_options(user_models):
    assert check("user_models:Good", width=5) == 3 * 64 * 5 + 5 + 5 * 10 + 10


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("user_models:WrongShape", {}, r"\[4, 3\].*\[4, 10\]"),
        ("user_models:NotFinite", {}, "infinite or NaN"),
        ("user_models:Raises", {}, "no forward today"),
        ("user_models:Frozen", {}, "nothing to train"),
        ("user_models:NoModule", {}, "NoModule.*torch.nn.Module"),
        ("user_models:Softmaxed", {}, "returns probabilities; expected logits: remove its softmax"),
        ("user_models:FixedSeed", {}, "sets PyTorch's seed when it is built"),
        ("user_models:Squeezed", {}, r"returned \[10\] for one image; expected \[1, 10\]: squeeze"),
        ("user_models:Guessing", {}, "different logits for the same images twice in evaluation mode"),
        ("user_models:OfTheBatch", {}, "different logits for one image alone and in a batch"),
        ("user_models:Absent", {}, "no class 'Absent'.*Good"),
        ("no_such_module:Net", {}, "cannot import 'no_such_module'"),
        ("user_models:Good", {"depth": 3}, "depth"),
    ],
)
def test_a_users_model_that_cannot_be_used_is_refused(user_models, name, options, message):
    with pytest.raises(BakeoffError, match=message):
        check(name, **options)


def test_a_changed_model_file_changes_its_digest(user_models):
    before = source_digest("user_models:Good")
    user_models.write_text(USER_MODELS + "# changed\n")
    assert source_digest("user_models:Good") != before
    assert Recipe(model=LeNet5Settings()).own_classes == ()


@pytest.mark.parametrize("name", ["Lazy", "View", "LogSoftmaxed"])
def test_habits_that_train_elsewhere_train_here(user_models, name):
    check(f"user_models:{name}")
    settings = CustomModelSettings(name=f"user_models:{name}")
    model, again, other = (
        build_model(settings, num_classes=10, image_size=8, seed=seed) for seed in (0, 0, 1)
    )
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))
    assert not all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))
    model = model.to(memory_format=torch.channels_last).train()
    images = torch.randn(5, 3, 8, 8)
    loss = model(images.to(memory_format=torch.channels_last)).square().mean()
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_view_sees_the_pixels_as_it_would_elsewhere(user_models):
    """The same class, without Bakeoff, given the same weights and images."""
    settings = CustomModelSettings(name="user_models:View")
    model = build_model(settings, num_classes=10, image_size=8, seed=3)
    plain = sys.modules["user_models"].View(10, 8)
    plain.load_state_dict(model.state_dict())
    images = torch.randn(5, 3, 8, 8)
    torch.testing.assert_close(model(images.to(memory_format=torch.channels_last)), plain(images))
