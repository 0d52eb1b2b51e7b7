"""Programs: in which order all of it is done, and with which bits."""

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
