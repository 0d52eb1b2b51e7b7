"""Dropout and convolution of a stack."""

import pytest
import torch
from torch import nn

from bakeoff.training.stacked.model import StackedModel
from bakeoff.training.stacked.operations import StackedOperations


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    class Drop(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.drop = nn.Dropout(0.3)

        def forward(self, x):
            return self.drop(x * self.scale)

    stack = StackedModel([Drop(), Drop()], torch.device("cpu"))
    stack.seed_layers([1, 2])
    found = stack(torch.ones(2, 40_000, 1, 1, 1))
    for one in found.detach():
        assert (one == 0).float().mean() == pytest.approx(0.3, abs=0.01)
        assert one.mean() == pytest.approx(1.0, abs=0.02)
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize(
    ("stride", "padding", "groups"), [(1, 0, 1), (2, 1, 1), ((2, 1), (0, 2), 1), (1, "same", 1), (1, 1, 2)]
)
def test_a_convolution_by_products_of_matrices_is_pytorchs(stride, padding, groups):
    torch.manual_seed(0)
    images, weight, bias = torch.randn(3, 4, 9, 8), torch.randn(6, 4 // groups, 3, 3), torch.randn(6)
    expected = torch.conv2d(images, weight, bias, stride, padding, 1, groups)
    with StackedOperations([], "matmul"):
        found = torch.conv2d(images, weight, bias, stride, padding, 1, groups)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
