"""LeNet-5 as its authors described it.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition,
Proceedings of the IEEE 86(11), 1998, section II.B; names of layers, connections and initial weights
follow the paper. Two things may differ because the task does: the input has three color channels instead of
one, unless images are gray, and the output is a linear layer with a softmax instead of distances to bitmaps
of the characters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MIN_IMAGE_SIZE = 16

CONNECTIONS = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)
"""Which of the six maps of S2 each of the sixteen maps of C3 sees: table I of the paper."""


class LeNet51998(nn.Module):
    """Seven layers with scaled tanh: C1, S2, C3 (partially connected), S4, C5, F6 and the output.

    61,150 trainable parameters on ten classes at 32 x 32: the paper's 60,000 with its one input channel, 300
    additional weights for the two further color channels, and 850 of the output.

    Parameters
    ----------
    num_classes
        Number of outputs.
    image_size
        Height and width of the images in pixels; the paper's is 32.
    """

    def __init__(self, num_classes: int, image_size: int, num_channels: int = 3) -> None:
        super().__init__()
        if image_size < MIN_IMAGE_SIZE:
            raise ValueError(
                f"lenet5_1998 needs images of at least {MIN_IMAGE_SIZE} x {MIN_IMAGE_SIZE} pixels"
            )
        side = ((image_size - 4) // 2 - 4) // 2
        self.c1 = nn.Conv2d(num_channels, 6, kernel_size=5)
        self.s2 = Subsampling(6)
        self.c3 = PartialConvolution()
        self.s4 = Subsampling(16)
        # A convolution as large as its input, as C5 is, is a linear layer.
        self.c5 = nn.Linear(16 * side**2, 120)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)
        for layer in (self.c1, self.c5, self.f6, self.output):
            _initialize(layer.weight, layer.weight[0].numel())
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits [N, num_classes] of standardized images [N, num_channels, image_size, image_size]."""
        maps = scaled_tanh(self.s2(scaled_tanh(self.c1(images_NCHW))))
        maps = scaled_tanh(self.s4(scaled_tanh(self.c3(maps))))
        hidden = scaled_tanh(self.f6(scaled_tanh(self.c5(maps.flatten(1)))))
        logits: Tensor = self.output(hidden)
        return logits


def scaled_tanh(x: Tensor) -> Tensor:
    """The paper's squashing function, 1.7159 tanh(2 x / 3), which has f(1) = 1 and f(-1) = -1."""
    return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """The sum of 2 x 2 pixels, times one trainable coefficient per map, plus one trainable bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2, divisor_override=1)
        self.coefficient = nn.Parameter(torch.full((channels, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, C, H / 2, W / 2]."""
        result: Tensor = self.pool(maps_NCHW) * self.coefficient + self.bias
        return result


class PartialConvolution(nn.Module):
    """C3: sixteen 5 x 5 convolutions, each over three to six of the six maps; 1,516 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(len(seen), 1, kernel_size=5) for seen in CONNECTIONS)
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv2d)
            _initialize(convolution.weight, convolution.weight[0].numel())
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, 16, H - 4, W - 4]; the same as one convolution over six maps whose other weights are 0."""
        weight = maps_NCHW.new_zeros(16, 6, 5, 5)
        for row, (convolution, seen) in enumerate(zip(self.convolutions, CONNECTIONS, strict=True)):
            weight[row, list(seen)] = convolution.weight[0]  # type: ignore[index]
        bias = torch.cat([convolution.bias for convolution in self.convolutions])  # type: ignore[misc]
        return nn.functional.conv2d(maps_NCHW, weight, bias)


def _initialize(weight: Tensor, fan_in: int) -> None:
    """Uniform within 2.4 / fan-in, as in the paper's appendix A."""
    nn.init.uniform_(weight, -2.4 / fan_in, 2.4 / fan_in)
