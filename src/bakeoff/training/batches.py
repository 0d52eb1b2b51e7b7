"""Batches of one epoch: which images, and the memory that holds them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray


def split_into_batches(order: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Slices of `order`; a single image left over joins the batch before it, for it has no variance."""
    ends = [*range(batch_size, len(order), batch_size), len(order)]
    if len(ends) > 1 and ends[-1] - ends[-2] == 1 and batch_size > 1:
        del ends[-2]
    start = 0
    for end in ends:
        yield order[start:end]
        start = end


class BatchMemory:
    """Memory for the images of a batch, used again by the next: fresh memory takes longer than the images.

    Attributes
    ----------
    standardised
        float32 [largest, H, W, 3].
    """

    def __init__(self, images_NHWC: NDArray[np.uint8], largest: int) -> None:
        shape = (largest, *images_NHWC.shape[1:])
        self._given, self._pixels = images_NHWC, np.empty(shape, np.uint8)
        self.standardised = torch.empty(shape, dtype=torch.float32)

    def gather(self, chosen_B: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [B, H, W, 3]: the images at these places, until the next are asked for."""
        pixels = self._pixels[: len(chosen_B)]
        # np.take with its default mode would gather into memory of its own first.
        return np.take(self._given, chosen_B, axis=0, out=pixels, mode="clip")
