"""Models: shapes, parameter counts, and what is refused of a user's own."""

import sys

import pytest
import torch

from bakeoff.errors import BakeoffError
from bakeoff.models import build_model, check_model, count_parameters, model_source_digest
from bakeoff.models.lenet5_1998 import CONNECTIONS, PartialConvolution
from bakeoff.study.settings.model import (
    CustomModelSettings,
    LeNet5Settings,
    LeNet51998Settings,
    ResNetSettings,
)


def lenet5(**options):
    return build_model(LeNet5Settings(**options), num_classes=10, image_size=32, seed=0)


@pytest.mark.parametrize(("batch_norm", "expected"), [(False, 62_006), (True, 62_458)])
def test_lenet5_has_the_published_number_of_parameters(batch_norm, expected):
    assert count_parameters(lenet5(batch_norm=batch_norm)) == expected


def test_batch_norm_stands_after_each_relu_and_before_the_pooling():
    kinds = [type(layer).__name__ for layer in [*lenet5(batch_norm=True).features]]
    assert kinds == ["Conv2d", "ReLU", "BatchNorm2d", "MaxPool2d"] * 2


@pytest.mark.parametrize("image_size", [16, 32, 33, 96])
def test_logits_have_one_column_a_class_at_any_image_size(image_size):
    model = build_model(LeNet5Settings(), num_classes=7, image_size=image_size, seed=0)
    assert model(torch.zeros(2, 3, image_size, image_size)).shape == (2, 7)


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


def test_the_1998_net_has_the_papers_number_of_parameters_layer_by_layer():
    model = build_model(LeNet51998Settings(), num_classes=10, image_size=32, seed=0)
    found = {name: count_parameters(layer) for name, layer in model.named_children()}
    two_more_colours = 2 * 6 * 25
    assert found == {
        "c1": 156 + two_more_colours,
        "s2": 12,
        "c3": 1516,
        "s4": 32,
        "c5": 48_120,
        "f6": 10_164,
        "output": 850,
    }
    assert count_parameters(model) == 61_150


def test_the_partial_convolution_sees_the_maps_of_the_papers_table_and_no_others():
    """Each of the sixteen maps answers to just the input maps in its row, by its own convolution."""
    layer = PartialConvolution()
    maps = torch.randn(2, 6, 9, 9)
    found = layer(maps)
    for row, seen in enumerate(CONNECTIONS):
        assert torch.allclose(
            found[:, row : row + 1], layer.convolutions[row](maps[:, list(seen)]), atol=1e-5
        )
    # In the paper: six maps see three in a row, six four in a row, three four otherwise, one all.
    assert [len(seen) for seen in CONNECTIONS] == [3] * 6 + [4] * 9 + [6]
    counts = [sum(source in seen for seen in CONNECTIONS) for source in range(6)]
    assert counts == [10] * 6


def test_the_residual_net_counts_and_takes_any_size():
    def build(image_size=32, **options):
        return build_model(ResNetSettings(**options), num_classes=10, image_size=image_size, seed=0)

    assert count_parameters(build()) == 56_538
    for size in (16, 33, 96):
        assert build(size, widths=(4, 8), blocks=(2, 1))(torch.zeros(2, 3, size, size)).shape == (2, 10)
    logits = build(dropout=0.5).train()(torch.randn(8, 3, 32, 32))
    logits.sum().backward()
    with pytest.raises(ValueError, match=r"widths gives 2 stages and blocks 3"):
        ResNetSettings(widths=(4, 8), blocks=(1, 1, 1))


def test_dropout_stands_before_the_last_two_linear_layers():
    kinds = [type(layer).__name__ for layer in lenet5(dropout=0.5).classifier]
    assert kinds == ["Flatten", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]


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
        ("user_models:NotFinite", {}, "not finite"),
        ("user_models:Raises", {}, "no forward today"),
        ("user_models:Frozen", {}, "nothing to train"),
        ("user_models:NoModule", {}, "NoModule.*torch.nn.Module"),
        ("user_models:Absent", {}, "no class 'Absent'.*Good"),
        ("no_such_module:Net", {}, "cannot import 'no_such_module'"),
        ("user_models:Good", {"depth": 3}, "depth"),
    ],
)
def test_a_users_model_that_cannot_be_used_is_refused(user_models, name, options, message):
    with pytest.raises(BakeoffError, match=message):
        check(name, **options)


def test_a_changed_model_file_changes_its_digest(user_models):
    settings = CustomModelSettings(name="user_models:Good")
    before = model_source_digest(settings)
    user_models.write_text(USER_MODELS + "# changed\n")
    assert model_source_digest(settings) != before
    assert model_source_digest(LeNet5Settings()) == ""


def test_images_too_small_for_lenet5_are_refused():
    with pytest.raises(BakeoffError, match="16 x 16"):
        check_model(LeNet5Settings(), num_classes=10, image_size=12)
