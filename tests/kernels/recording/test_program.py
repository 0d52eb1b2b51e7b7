"""Programs: which functions become layers, in which order all of it is done, and with which bits."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bakeoff.kernels.library import using
from bakeoff.kernels.recording.program import Program
from bakeoff.kernels.recording.tracing import trace

BATCHES = [torch.randn(count, 4, 12, 12, generator=torch.Generator().manual_seed(count)) for count in (5, 3)]


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


def assert_same(model):
    """The same bits: outputs, gradients, buffers, drawn random numbers, for one batch after another."""
    observed = []
    for call in (lambda one: one, lambda one: Program(trace(one, BATCHES), one)):
        one = copy.deepcopy(model)
        forward = call(one)
        torch.manual_seed(0)
        found = []
        for images in BATCHES:
            images = images.clone().requires_grad_()
            output = forward(images)
            output.square().sum().backward()
            found += [output, images.grad, *(parameter.grad.clone() for parameter in one.parameters())]
        observed.append([*found, *one.buffers(), torch.get_rng_state()])
    assert all(map(torch.equal, *observed))


class Dropouts(nn.Module):
    """Branches whose random numbers are drawn in the order of the lines."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.drop, self.norm = nn.Dropout(0.5), nn.BatchNorm2d(4)

    def forward(self, x):
        left, right = self.left(x), self.right(x)
        right = F.dropout(right, 0.5, self.training)
        left = self.norm(self.drop(left))
        left += right
        return F.dropout2d(F.relu(left), 0.3, self.training).sum((2, 3))


class InPlace(nn.Module):
    """What a line changes in place is seen by others."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(4, 4, 3), nn.ReLU(inplace=True)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.register_buffer("total", torch.zeros(()))
        self.shift = torch.ones(())  # neither parameter nor buffer

    def forward(self, x):
        out = self.conv(x)
        positive = self.relu(out)
        self.total.add_(1)
        n, c, h, w = out.shape
        shuffled = out.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return (positive + out * self.scale + shuffled) * self.total + self.shift


@pytest.mark.parametrize("kind", [Dropouts, InPlace])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_everything_is_done_in_the_models_own_order(kind, training):
    torch.manual_seed(0)
    assert_same(kind().train(training))
