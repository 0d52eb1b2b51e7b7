"""LeNet-5 in its modern form: ReLU, max pooling, one linear output per class.

After Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition,
Proceedings of the IEEE 86(11), 1998.
"""

from __future__ import annotations

from torch import nn

from bakeoff.kernels import KernelSequential

MIN_IMAGE_SIZE = 16


class LeNet5(KernelSequential):
    """Two convolutions and three linear layers: logits [N, num_classes] of standardized images.

    62,006 parameters on ten classes at 32 x 32, 62,458 with batch normalization (after each ReLU, before the
    pooling); in gray 61,706, and 44,426 at 28 x 28.

    Parameters
    ----------
    num_classes
        Number of outputs.
    image_size
        Height and width of the images in pixels.
    num_channels
        Of the images.
    batch_norm
        Add batch normalization after each ReLU.
    dropout
        Dropout probability before the second and the third linear layer.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        num_channels: int = 3,
        *,
        batch_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if image_size < MIN_IMAGE_SIZE:
            raise ValueError(f"lenet5 needs images of at least {MIN_IMAGE_SIZE} x {MIN_IMAGE_SIZE} pixels")
        pooled_size = ((image_size - 4) // 2 - 4) // 2

        def normalize(layer: nn.Module) -> list[nn.Module]:
            return [layer] if batch_norm else []

        def drop() -> list[nn.Module]:
            return [nn.Dropout(dropout)] if dropout else []

        self.features = KernelSequential(
            nn.Conv2d(num_channels, 6, kernel_size=5),
            nn.ReLU(),
            *normalize(nn.BatchNorm2d(6)),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.ReLU(),
            *normalize(nn.BatchNorm2d(16)),
            nn.MaxPool2d(2),
        )
        self.classifier = KernelSequential(
            nn.Flatten(),
            nn.Linear(16 * pooled_size**2, 120),
            nn.ReLU(),
            *normalize(nn.BatchNorm1d(120)),
            *drop(),
            nn.Linear(120, 84),
            nn.ReLU(),
            *normalize(nn.BatchNorm1d(84)),
            *drop(),
            nn.Linear(84, num_classes),
        )
