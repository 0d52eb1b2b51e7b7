"""What a prediction costs, against the sizes of the layers."""

import numpy as np
import pytest
import torch
from torch import nn

from bakeoff.models import build_model
from bakeoff.study import load_study
from bakeoff.study.settings.model import LeNet5Settings, LeNet51998Settings, ResNetSettings
from bakeoff.training.cost import BATCH_SIZE, prediction_cost

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(model, **changes):
    return load_study("quickstart").recipes["lenet5"].model_copy(update={"model": model, **changes})


def products_of_layers(model, image):
    """By the sizes of each layer's output, kernel and input."""
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        total += output.numel() * int(np.prod(layer.weight.shape[1:]))

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        model.eval()(image)
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize("settings", [LeNet5Settings(), LeNet5Settings(batch_norm=True), ResNetSettings()])
def test_products_of_convolutions_and_linear_layers_are_counted(data, settings):
    model = build_model(settings, num_classes=10, image_size=16, num_channels=3, seed=0)
    cost = prediction_cost(recipe(settings), data, model.state_dict())
    assert cost.multiply_accumulates == products_of_layers(model, torch.zeros(1, 3, 16, 16))
    assert 0 < cost.milliseconds_per_image < 1000
    assert cost.batch_size == BATCH_SIZE
    assert cost.device.startswith("cpu")


def test_the_published_network_has_the_products_that_its_layers_have_by_hand(data):
    large = np.zeros((40, 32, 32, 3), np.uint8)
    at_32 = type(data)(**{**vars(data), "train": type(data.train)(large, np.zeros(40, int), ("",) * 40)})
    settings = LeNet5Settings()
    model = build_model(settings, num_classes=10, image_size=32, num_channels=3, seed=0)
    by_hand = 6 * 28 * 28 * 3 * 25 + 16 * 10 * 10 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10
    assert prediction_cost(recipe(settings), at_32, model.state_dict()).multiply_accumulates == by_hand


def test_averaging_over_the_mirror_image_costs_twice(data):
    settings = LeNet51998Settings()
    weights = build_model(settings, num_classes=10, image_size=16, num_channels=3, seed=0).state_dict()
    once, twice = (
        prediction_cost(recipe(settings, test_time_augmentation=name), data, weights)
        for name in ("none", "horizontal_flip")
    )
    assert twice.multiply_accumulates == 2 * once.multiply_accumulates


def test_weights_that_do_not_fit_have_no_cost_and_threads_stay(data):
    assert prediction_cost(recipe(LeNet5Settings()), data, {}) is None
    assert torch.get_num_threads() == 1
