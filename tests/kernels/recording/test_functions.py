"""Functions that become layers: those that do the same, with the same bits."""

import pytest
import torch
import torch.nn.functional as F
from tests.kernels.recording.test_program import BATCHES, assert_same
from torch import nn

from bakeoff.kernels.library import using
from bakeoff.kernels.recording.program import Program
from bakeoff.kernels.recording.tracing import trace


@pytest.fixture(autouse=True)
def without_kernels():
    with using("none"):
        yield


class Calls(nn.Module):
    """One function after a convolution."""

    def __init__(self, function, before=()):
        super().__init__()
        self.conv, self.before, self.function = nn.Conv2d(4, 4, 3), nn.Sequential(*before), function

    def forward(self, x):
        return self.function(self.before(self.conv(x)), self.training)


def layers_of(model, batches=BATCHES):
    """The kinds of layers of a program that is nothing else."""
    chain = Program(trace(model, batches), model).chain
    return chain and [repr(layer) for layer in chain][1:]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, _: F.relu(x), ["ReLU()"]),
        (lambda x, _: torch.relu(x), ["ReLU()"]),
        (lambda x, _: x.relu(), ["ReLU()"]),
        (lambda x, _: F.relu(x, inplace=True), ["ReLU(inplace=True)"]),
        (lambda x, _: x.relu_(), ["ReLU(inplace=True)"]),
        (lambda x, _: torch.relu_(x), ["ReLU(inplace=True)"]),
        (lambda x, _: F.max_pool2d(x, 2), [repr(nn.MaxPool2d(2))]),
        (lambda x, _: F.max_pool2d(x, (2, 2), stride=1, padding=1), [repr(nn.MaxPool2d((2, 2), 1, 1))]),
        (lambda x, _: torch.max_pool2d(x, 3), [repr(nn.MaxPool2d(3))]),
        (lambda x, _: F.avg_pool2d(x, 2, ceil_mode=True), [repr(nn.AvgPool2d(2))]),
        (lambda x, _: F.adaptive_avg_pool2d(x, 1), [repr(nn.AdaptiveAvgPool2d(1))]),
        (lambda x, _: x.mean((2, 3)), [repr(nn.AdaptiveAvgPool2d(1)), repr(nn.Flatten())]),
        (lambda x, _: torch.mean(x, dim=[-1, -2], keepdim=True), [repr(nn.AdaptiveAvgPool2d(1))]),
        (lambda x, _: x.view(x.size(0), -1), [repr(nn.Flatten())]),
        (lambda x, _: x.view(-1, 400), [repr(nn.Flatten())]),
        (lambda x, _: x.reshape(x.shape[0], -1), [repr(nn.Flatten())]),
        (lambda x, _: torch.flatten(x, 1), [repr(nn.Flatten())]),
        (lambda x, _: x.flatten(start_dim=1), [repr(nn.Flatten())]),
        (lambda x, training: F.dropout(x, 0.2, training), [repr(nn.Dropout(0.2))]),
        (lambda x, _: F.relu(F.max_pool2d(x, 2)), ["ReLU()", repr(nn.MaxPool2d(2))]),
        # Not the same as a layer, or not of the same form for every batch.
        (lambda x, _: x.view(-1, 100), None),
        (lambda x, _: x.mean((1, 2)), None),
        (lambda x, _: x.mean(), None),
        (lambda x, _: F.avg_pool2d(x, x.size(2)), None),
        (lambda x, _: F.max_pool2d(x, 2, return_indices=True)[0], None),
        (lambda x, _: x + 1, None),
    ],
)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_function_becomes_the_layer_that_does_the_same(function, expected, training):
    model = Calls(function).train(training)
    assert layers_of(model) == expected
    assert_same(model)


def test_identity_leaves_no_step():
    assert layers_of(Calls(lambda x, _: x, [nn.Identity(), nn.ReLU(), nn.Identity()])) == ["ReLU()"]
