"""Pretrained models: what is loaded, replaced and frozen, and what does not fit."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bakeoff.errors import BakeoffError
from bakeoff.models import build_model, check_model
from bakeoff.models.pretrained import Pretrained
from bakeoff.study.settings.model import CustomModelSettings


class Net(nn.Module):
    def __init__(self, num_classes, image_size, width=4):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3),
            nn.BatchNorm2d(width),
            nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, images):
        return self.fc(self.body(images))


class Clash(Net):
    def __init__(self, num_classes, image_size, freeze=1):
        super().__init__(num_classes, image_size)


class NoHead(Net):
    def __init__(self, num_classes, image_size):
        super().__init__(3, image_size)


class ConvolutionAtTheEnd(Net):
    def __init__(self, num_classes, image_size):
        super().__init__(num_classes, image_size)
        self.fc = nn.Conv2d(4, num_classes, 1)

    def forward(self, images):
        return self.fc(self.body[:3](images)).mean((2, 3))


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(3)
    path = tmp_path / "net.safetensors"
    save_file(Net(7, 32).state_dict(), path, {"input_size": "[3, 24, 24]"})
    return path


def build(name="Net", seed=0, trained=None, **keys):
    settings = CustomModelSettings(name=f"{__name__}:{name}", **keys)
    return build_model(settings, num_classes=5, image_size=32, seed=seed, trained=trained)


def test_all_but_the_head_is_loaded_and_the_head_depends_on_the_seed(weights):
    first, second = (build(weights=str(weights), seed=seed).model.state_dict() for seed in (0, 1))
    saved = Net(7, 32).state_dict() | dict(torch.load(written_as_pt(weights)))
    assert first["fc.weight"].shape == (5, 16)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]) == (not name.startswith("fc"))
        assert name.startswith("fc") or torch.equal(tensor, saved[name])


def written_as_pt(path):
    from safetensors.torch import load_file

    torch.save(load_file(path), path.with_suffix(".pt"))
    return path.with_suffix(".pt")


def test_images_are_resized_to_what_the_weights_state(weights):
    model = build(weights=str(weights)).eval()
    images = torch.randn(2, 3, 32, 32)
    small = nn.functional.interpolate(images, size=(24, 24), mode="bilinear", antialias=True)
    assert torch.equal(model(images), model.model(small))
    assert model.state_dict()["size"] == 24


def test_a_finished_run_is_built_without_the_file(weights):
    model = build(weights=str(weights), freeze="all_but_head").eval()
    trained = model.state_dict()
    weights.unlink()
    again = build(weights=str(weights), freeze="all_but_head", seed=9, trained=trained).eval()
    again.load_state_dict(trained)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(model(images), again(images))
    with pytest.raises(BakeoffError, match="no such file"):
        build(weights=str(weights))


def test_frozen_layers_are_not_trained_and_stay_in_evaluation_mode():
    model = build(freeze="all_but_head").train()
    assert [name for name, one in model.named_parameters() if one.requires_grad] == [
        "model.fc.weight",
        "model.fc.bias",
    ]
    assert {name for name, layer in model.model.named_modules() if layer.training} == {"fc"}
    batch_norm = build(freeze=["body.1.*"]).train()
    assert not batch_norm.model.body[1].training
    assert batch_norm.model.body[2].training
    assert [name for name, one in batch_norm.named_parameters() if not one.requires_grad] == [
        "model.body.1.weight",
        "model.body.1.bias",
    ]


def test_features_are_what_the_head_gets(weights):
    model = build(weights=str(weights), freeze="all_but_head")
    images = torch.randn(4, 3, 32, 32)
    features = model.features(images)
    assert features.shape == (4, 16)
    assert torch.equal(model(features), model(images))
    assert build("ConvolutionAtTheEnd", freeze="all_but_head").features(images) is None


def broken(weights, change):
    state = dict(torch.load(written_as_pt(weights)))
    change(state)
    path = weights.with_name("broken.safetensors")
    save_file(state, path)
    return str(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("body.0.bias"), "missing: body.0.bias$"),
        (lambda state: state.update(other=torch.zeros(1)), "not in the model: other$"),
        (
            lambda state: state.update({"body.0.weight": torch.zeros(2)}),
            r"of another shape: body.0.weight \(\[2\] instead of \[4, 3, 3, 3\]\)$",
        ),
        (
            lambda state: state.clear() or state.update(x=torch.zeros(1)),
            r"missing: body.0.weight, .* and 3 more",
        ),
    ],
)
def test_a_file_that_does_not_fit_names_the_keys(weights, change, message):
    with pytest.raises(BakeoffError, match=f"(?s)do not fit the model .*{message}"):
        build(weights=broken(weights, change))


def test_counters_that_nothing_depends_on_may_be_missing(weights):
    path = broken(weights, lambda state: state.pop("body.1.num_batches_tracked"))
    assert isinstance(build(weights=path), Pretrained)


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        (
            "Net",
            {"freeze": ["body.*", "layer1.*"]},
            r"freeze: 'layer1\.\*' matches no parameter; there are body.0",
        ),
        ("Clash", {"freeze": "all_but_head"}, "has a parameter freeze, which is a key of Bakeoff's"),
        (
            "NoHead",
            {"freeze": "all_but_head"},
            "has no head: none of its layers depends on the number of classes",
        ),
    ],
)
def test_what_cannot_be_frozen_is_said(name, keys, message):
    with pytest.raises(BakeoffError, match=message):
        build(name, **keys)


def test_a_model_with_all_of_it_frozen_has_nothing_to_train():
    settings = CustomModelSettings(name=f"{__name__}:Net", freeze=["*"])
    with pytest.raises(BakeoffError, match="has nothing to train"):
        check_model(settings, num_classes=5, image_size=32)
