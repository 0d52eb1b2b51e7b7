"""A small residual network for small images.

After K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition, CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bakeoff.kernels import LayerGraph, is_watched, run_graph


class ResNet(nn.Module):
    """A 3 x 3 convolution, stages of residual blocks, the mean over the image, one linear layer.

    56,538 parameters on ten classes with the widths 16, 32 and 48 and one block each.

    Parameters
    ----------
    num_classes
        Number of outputs.
    num_channels
        Of the images.
    widths
        Channels of each stage; every stage after the first halves the resolution.
    blocks
        Number of residual blocks of each stage.
    dropout
        Dropout probability before the linear layer.
    """

    def __init__(
        self,
        num_classes: int,
        num_channels: int = 3,
        *,
        widths: Sequence[int],
        blocks: Sequence[int],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(num_channels, widths[0]), nn.BatchNorm2d(widths[0]), nn.ReLU())
        stages: list[nn.Module] = []
        channels = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, blocks, strict=True)):
            for block in range(depth):
                stages.append(ResidualBlock(channels, width, stride=2 if stage and not block else 1))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits [N, num_classes] of standardized images [N, num_channels, H, W]."""
        found = run_graph(self.layer_graph(), images_NCHW)
        if found is not None:
            return found
        features: Tensor = self.stages(self.stem(images_NCHW)).mean((2, 3))
        logits: Tensor = self.classifier(self.dropout(features))
        return logits

    def layer_graph(self) -> LayerGraph:
        """Layers with the places of their inputs, as `run_graph` takes them.

        Empty if something waits for a block to be called: PyTorch calls it.
        """
        layers: list[tuple[nn.Module | None, tuple[int, ...]]] = [(self.stem, (0,))]
        if is_watched(self.stages):
            return []
        for block in self.stages:
            start = len(layers)
            if type(block) is not ResidualBlock or is_watched(block):
                return []
            layers += [(block.body, (start,)), (block.shortcut, (start,))]
            layers += [(None, (start + 1, start + 2)), (RELU, (start + 3,))]
        for layer in (MEAN, FLATTEN, self.dropout, self.classifier):
            layers.append((layer, (len(layers),)))
        return layers


RELU, MEAN, FLATTEN = nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
"""What the forward passes here call functions for."""


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, added to their input.

    If the shape changes, the shortcut is 2 x 2 average pooling and a 1 x 1 convolution, so that no pixel is
    skipped (He et al., Bag of tricks, 2019: ResNet-D).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(channels_in, channels_out, stride),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            _convolution(channels_out, channels_out),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.AvgPool2d(stride, ceil_mode=True))
        if channels_in != channels_out:
            self.shortcut.append(nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels_out))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """[N, channels_out, H / stride, W / stride]."""
        return torch.relu(self.body(images_NCHW) + self.shortcut(images_NCHW))


def _convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, kernel_size=3, stride=stride, padding=1, bias=False)
