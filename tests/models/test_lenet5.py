"""LeNet-5: published counts, where its layers stand, any image size."""

import pytest
import torch
from torch.nn import functional

from bakeoff.errors import BakeoffError
from bakeoff.models import build_model, check_model, count_parameters
from bakeoff.study.settings.model import LeNet5Settings


def lenet5(**options):
    return build_model(LeNet5Settings(**options), num_classes=10, image_size=32, seed=0)


@pytest.mark.parametrize(("batch_norm", "expected"), [(False, 62_006), (True, 62_458)])
def test_lenet5_has_the_published_number_of_parameters(batch_norm, expected):
    assert count_parameters(lenet5(batch_norm=batch_norm)) == expected


@pytest.mark.parametrize(("image_size", "expected"), [(32, 61_706), (28, 44_426)])
def test_lenet5_of_gray_images_has_the_published_number_of_parameters(image_size, expected):
    model = build_model(LeNet5Settings(), num_classes=10, image_size=image_size, num_channels=1, seed=0)
    side = {32: 5, 28: 4}[image_size]
    by_hand = 6 * (25 + 1) + 16 * (6 * 25 + 1) + 120 * (16 * side**2 + 1) + 84 * 121 + 10 * 85
    assert count_parameters(model) == by_hand == expected


def test_batch_norm_stands_after_each_relu_and_before_the_pooling():
    kinds = [type(layer).__name__ for layer in [*lenet5(batch_norm=True).features]]
    assert kinds == ["Conv2d", "ReLU", "BatchNorm2d", "MaxPool2d"] * 2


@pytest.mark.parametrize("image_size", [16, 32, 33, 96])
def test_logits_have_one_column_a_class_at_any_image_size(image_size):
    model = build_model(LeNet5Settings(), num_classes=7, image_size=image_size, seed=0)
    assert model(torch.zeros(2, 3, image_size, image_size)).shape == (2, 7)


def test_dropout_stands_before_the_last_two_linear_layers():
    kinds = [type(layer).__name__ for layer in lenet5(dropout=0.5).classifier]
    assert kinds == ["Flatten", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]


def test_images_too_small_for_lenet5_are_refused():
    with pytest.raises(BakeoffError, match="16 x 16"):
        check_model(LeNet5Settings(), num_classes=10, image_size=12)


def test_logits_are_those_of_the_layers_by_hand():
    model = lenet5().eval()
    c1, c3 = model.features[0], model.features[3]
    images = torch.randn(4, 3, 32, 32)
    maps = functional.max_pool2d(torch.relu(functional.conv2d(images, c1.weight, c1.bias)), 2)
    maps = functional.max_pool2d(torch.relu(functional.conv2d(maps, c3.weight, c3.bias)), 2)
    values = maps.flatten(1)
    linear = [layer for layer in model.classifier if isinstance(layer, torch.nn.Linear)]
    for layer in linear[:-1]:
        values = torch.relu(values @ layer.weight.T + layer.bias)
    expected = values @ linear[-1].weight.T + linear[-1].bias
    assert torch.allclose(model(images), expected, atol=1e-5)
