"""Training a head on features: once per image, the backbone's bytes untouched."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bakeoff.models import build_model
from bakeoff.models.features import Inputs, model_inputs
from bakeoff.study import Recipe
from bakeoff.training import train
from bakeoff.training.evaluation import predict_logits
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.state import TrainingState

pytestmark = pytest.mark.usefixtures("one_thread")


class Backbone(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
        )


class Net(nn.Module):
    calls = 0

    def __init__(self, num_classes, image_size):
        super().__init__()
        self.body, self.fc = Backbone(), nn.Linear(72, num_classes)

    def forward(self, images):
        Net.calls += 1
        return self.fc(self.body(images))


class TwoOutputs(Net):
    """Its logits are not those of its linear layer, so it is trained on images."""

    def forward(self, images):
        return 2 * super().forward(images)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setattr("bakeoff.models.features._kept", {})  # what earlier tests left
    torch.manual_seed(1)
    path = tmp_path / "net.safetensors"
    save_file(Net(3, 16).state_dict(), path, {"mean": "[0.5, 0.5, 0.5]", "std": "[0.25, 0.25, 0.25]"})
    return str(path)


def recipe(weights, name="Net", **changes):
    model = {"name": f"{__name__}:{name}", "weights": weights, "freeze": "all_but_head", "head_lr_factor": 10}
    return Recipe(epochs=3).changed(model=model, **changes)


def test_seeds_share_the_features_and_leave_the_backbone_as_it_was(weights, data):
    from safetensors.torch import load_file

    Net.calls = 0
    first, second = (train(recipe(weights), seed, data) for seed in (0, 1))
    # The features of each split in batches of 50; for each run, two images when it and a copy are built, and
    # the baseline of the attributions.
    assert Net.calls == 14 + 6 + 16 + 2 * 3
    saved = load_file(weights)
    for run in (first, second):
        for name, tensor in saved.items():
            assert name.startswith("fc") or torch.equal(run.weights[f"model.{name}"], tensor)
        assert run.history[-1].train_accuracy > 0.3
        assert run.history[0].learning_rate == 0.01
        assert run.preprocessing.mean == (0.5, 0.5, 0.5)
        assert run.num_parameters == 730
        assert len(run.attributions.image_indices) == 0
    assert not torch.equal(first.weights["model.fc.weight"], second.weights["model.fc.weight"])


def test_the_head_on_features_is_the_model_on_images(weights, data):
    run = train(recipe(weights), 0, data)
    model = build_model(recipe(weights).model, num_classes=10, image_size=16, seed=0, trained=run.weights)
    model.load_state_dict(run.weights)
    logits = predict_logits(model, data.test.images, run.preprocessing)
    np.testing.assert_allclose(logits, run.test_logits, rtol=0, atol=1e-4)
    assert run.test_features.shape == (797, 72)


@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": {"random_crop_padding": 1}},
        {"test_time_augmentation": "horizontal_flip"},
        {"name": "TwoOutputs"},
    ],
)
def test_what_needs_the_images_trains_on_images(weights, data, changes):
    chosen = recipe(weights, **changes)
    model = build_model(chosen.model, num_classes=10, image_size=16, seed=0)
    images = Inputs(data.train.images, data.val.images, data.test.images, Preprocessing.of(data, model))
    assert model_inputs(chosen, model, images, "digits") is images
    run = train(chosen, 0, data)
    assert run.history[-1].train_accuracy > 0.3


def test_a_run_has_the_same_bytes_again_and_resumed(weights, data, monkeypatch):
    class FirstState:
        state = None

        def load(self):
            return self.state

        def save(self, state, epoch, val_accuracy):
            self.state = self.state or state

    monkeypatch.setattr("bakeoff.training.state.MIN_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr("bakeoff.training.state.SHARE_OF_TIME", float("inf"))
    averaged, store = recipe(weights, ema_decay=0.9), FirstState()
    expected = train(averaged, 0, data, state_store=store)
    assert len(TrainingState.from_bytes(store.state).history) == 1
    for run in (train(averaged, 0, data), train(averaged, 0, data, state_store=store)):
        assert run.test_logits.tobytes() == expected.test_logits.tobytes()
        assert all(torch.equal(tensor, expected.weights[name]) for name, tensor in run.weights.items())
