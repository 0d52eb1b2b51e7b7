"""Batches of one epoch: which images, the memory that holds them, and how they were answered."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


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


BATCHES_AT_ONCE = 64
"""One by one takes twice as long; all batches at once would keep the logits of every training image."""


class EpochCount:
    """Losses, right answers and probabilities of the batches of one epoch.

    Parameters
    ----------
    labels_N
        Of all training images.
    true_probability_N
        float16: of all training images the probability of the true class, written in place.

    Attributes
    ----------
    steps
        (loss, accuracy) of each batch counted.
    total_loss
        Sum over images.
    num_right
        Images answered rightly.
    """

    def __init__(self, labels_N: NDArray[np.int64], true_probability_N: NDArray[np.float16]) -> None:
        self.steps: list[tuple[float, float]] = []
        self.total_loss, self.num_right = 0.0, 0
        self._labels, self._true_probability = labels_N, true_probability_N
        self._chosen: list[NDArray[np.int64]] = []
        self._logits: list[Tensor] = []
        self._losses: list[float] = []

    def add(self, chosen_B: NDArray[np.int64], logits_BK: Tensor, loss: float) -> None:
        """Take a batch: the places of its images, their logits without a graph, and its mean loss."""
        self._chosen.append(chosen_B)
        self._logits.append(logits_BK)
        self._losses.append(loss)
        if len(self._losses) == BATCHES_AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Count what is not counted yet."""
        if not self._losses:
            return
        chosen, logits = np.concatenate(self._chosen), torch.cat(self._logits)
        labels = torch.from_numpy(self._labels[chosen])
        probability = torch.softmax(logits, 1).gather(1, labels[:, None])[:, 0]
        self._true_probability[chosen] = probability.numpy()
        sizes = [len(batch) for batch in self._chosen]
        starts = np.cumsum([0, *sizes[:-1]])
        right = (logits.argmax(1) == labels).numpy()
        rights = np.add.reduceat(right, starts, dtype=np.int64).tolist()
        for loss, size, batch_right in zip(self._losses, sizes, rights, strict=True):
            self.steps.append((loss, batch_right / size))
            self.total_loss += loss * size
            self.num_right += batch_right
        for waiting in (self._chosen, self._logits, self._losses):
            waiting.clear()
