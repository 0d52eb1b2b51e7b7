"""Preprocessing: the one way from uint8 images to the tensor that a model takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.kernels.library import Library, current, standardise


@dataclass(frozen=True)
class Preprocessing:
    """Scale to 0..1 and standardise each channel. Saved with the weights, used wherever they are.

    Attributes
    ----------
    mean, std
        Of the training images a channel (red, green, blue), in 0..1. A standard deviation of 0 (all training
        images alike in that channel) is taken as 1.
    image_size
        Height and width that images are resized to before they come here.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    image_size: int

    def __call__(self, images_NHWC: NDArray[np.uint8], out: Tensor | None = None) -> Tensor:
        """float32 [N, 3, H, W] (channels last in memory) from uint8 [N, H, W, 3].

        Parameters
        ----------
        images_NHWC
            Of the run's size.
        out
            float32 [at least N, H, W, 3], contiguous: memory to write the result to, otherwise new memory.
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
        """What is subtracted from pixels of 0..255, and what they are then multiplied with: float32 [3]."""
        mean = torch.tensor(self.mean, dtype=torch.float64)
        std = torch.tensor([s or 1.0 for s in self.std], dtype=torch.float64)
        return (255 * mean).float(), (1 / (255 * std)).float()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@lru_cache
def _constants_of_row(preprocessing: Preprocessing, width: int) -> tuple[Tensor, Tensor]:
    """Constants for a whole row of pixels: with three at a time PyTorch takes four times as long."""
    shift, scale = preprocessing.constants
    return shift.repeat(width), scale.repeat(width)
