"""Preprocessing: from uint8 images to the input tensor of a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.data.decoding.parameters import Decoding
from bakeoff.data.image_data import ImageData
from bakeoff.kernels.library import Library, current, standardise
from bakeoff.models.pretrained import Pretrained


@dataclass(frozen=True)
class Preprocessing:
    """Scale to 0..1 and standardize each channel. Saved with the weights and used wherever they are used.

    Attributes
    ----------
    mean, std
        Per-channel statistics (red, green, blue, or gray) of the training images, or those that pretrained
        weights state, in 0..1. A standard deviation of 0 (a constant channel) is replaced by 1.
    image_size
        Height and width of the images after resizing.
    decoding
        How files become images.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    decoding: Decoding = field(default_factory=Decoding)

    @classmethod
    def of(cls, data: ImageData, model: nn.Module | None = None) -> Preprocessing:
        """The preprocessing of a model that is trained on a data set, with what pretrained weights state."""
        mean, std = data.mean, data.std
        if isinstance(model, Pretrained) and model.stated.mean and model.stated.std:
            mean, std = model.stated.mean, model.stated.std
        return cls(mean, std, data.image_size, data.decoding)

    def __call__(self, images_NHWC: NDArray[np.uint8], out: Tensor | None = None) -> Tensor:
        """float32 [N, C, H, W] (channels last in memory) from uint8 [N, H, W, C], with 3 channels or 1.

        Parameters
        ----------
        images_NHWC
            Images of size `image_size`.
        out
            float32 [at least N, H, W, C], contiguous: memory for the result; by default it is allocated.
        """
        number, height, width, channels = images_NHWC.shape
        shift, scale = _constants_of_row(self, width)
        rows = images_NHWC.reshape(number, height, width * channels)
        pixels = torch.empty(images_NHWC.shape, dtype=torch.float32) if out is None else out[:number]
        result = pixels.view(rows.shape)
        if isinstance(library := current(), Library):
            standardise(library, np.ascontiguousarray(rows), shift, scale, result)
        else:
            np.copyto(result.numpy(), rows)
            result.sub_(shift).mul_(scale)
        return pixels.permute(0, 3, 1, 2)

    @cached_property
    def constants(self) -> tuple[Tensor, Tensor]:
        """Shift and scale, float32 [C] each: pixels of 0..255 become (pixel - shift) * scale."""
        mean = torch.tensor(self.mean, dtype=torch.float64)
        std = torch.tensor([s or 1.0 for s in self.std], dtype=torch.float64)
        return (255 * mean).float(), (1 / (255 * std)).float()

    def to_dict(self) -> dict[str, Any]:
        """All attributes, for JSON; `decoding` only if it differs from the default."""
        attributes = {"mean": self.mean, "std": self.std, "image_size": self.image_size}
        decoding = self.decoding.to_dict()
        return attributes | ({"decoding": decoding} if decoding else {})


@lru_cache
def _constants_of_row(preprocessing: Preprocessing, width: int) -> tuple[Tensor, Tensor]:
    """The constants repeated for a row of pixels: with three values PyTorch takes four times as long."""
    shift, scale = preprocessing.constants
    return shift.repeat(width), scale.repeat(width)
