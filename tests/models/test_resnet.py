"""The small residual net."""

import pytest
import torch
from torch.nn import functional

from bakeoff.models import build_model, count_parameters
from bakeoff.models.resnet import ResidualBlock
from bakeoff.study.settings.model import ResNetSettings


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


@pytest.mark.parametrize("size", [8, 9])
def test_a_block_adds_its_input_averaged_over_squares_of_two(size):
    block = ResidualBlock(3, 5, stride=2).eval()
    images = torch.randn(2, 3, size, size)
    convolved = functional.conv2d(images, block.body[0].weight, stride=2, padding=1)
    # In evaluation mode a new batch norm divides by sqrt(1 + eps) alone.
    shrink = (1 + block.body[1].eps) ** -0.5
    body = functional.conv2d(torch.relu(convolved * shrink), block.body[3].weight, padding=1) * shrink
    averages = functional.avg_pool2d(images, 2, ceil_mode=True)
    shortcut = torch.einsum("oi,nihw->nohw", block.shortcut[1].weight[:, :, 0, 0], averages) * shrink
    assert torch.allclose(block(images), torch.relu(body + shortcut), atol=1e-5)


def test_a_block_that_keeps_its_shape_adds_the_input_itself():
    block = ResidualBlock(4, 4, stride=1).eval()
    torch.nn.init.zeros_(block.body[3].weight)
    images = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(images), torch.relu(images))
