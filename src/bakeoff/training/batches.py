"""Batches of one epoch: the indices of their images, memory for them, and their losses and accuracies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.training.repeatable import Stream, generator


def epoch_order(
    sampling: str | None, seed: int, epoch: int, labels_N: NDArray[np.int64]
) -> NDArray[np.int64]:
    """int64 [N], the training images of an epoch in their order.

    Parameters
    ----------
    sampling
        Of the recipe: None shows each image once. "balanced" draws as many as there are with replacement,
        each class with the same probability.
    seed, epoch
        Of the run, and counted from 1.
    labels_N
        Of all training images.
    """
    number = len(labels_N)
    if sampling is None:
        return generator(seed, Stream.ORDER, epoch).permutation(number)
    counts = np.bincount(labels_N)
    chances = 1 / (np.count_nonzero(counts) * counts[labels_N])
    return generator(seed, Stream.SAMPLING, epoch).choice(number, number, p=chances / chances.sum())


def split_into_batches(order: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Slices of `order`; a single remaining image joins the batch before it, because it has no variance."""
    ends = [*range(batch_size, len(order), batch_size), len(order)]
    if len(ends) > 1 and ends[-1] - ends[-2] == 1 and batch_size > 1:
        del ends[-2]
    start = 0
    for end in ends:
        yield order[start:end]
        start = end


class BatchMemory:
    """Memory for the images of a batch, reused by the next: allocation takes longer than copying the images.

    Attributes
    ----------
    standardized
        float32 [max_batch_size, H, W, C].
    """

    def __init__(self, images_NHWC: NDArray[np.uint8], max_batch_size: int) -> None:
        shape = (max_batch_size, *images_NHWC.shape[1:])
        self._images, self._pixels = images_NHWC, np.empty(shape, images_NHWC.dtype)
        self.standardized = torch.empty(shape, dtype=torch.float32)

    def gather(self, indices_B: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [B, H, W, C]: the images at these indices; valid until the next call."""
        pixels = self._pixels[: len(indices_B)]
        # np.take in its default mode would gather into a temporary array first.
        return np.take(self._images, indices_B, axis=0, out=pixels, mode="clip")


BATCHES_AT_ONCE = 64
"""Batch by batch takes twice as long; all batches at once would need the logits of every training image."""


class EpochCount:
    """Losses, accuracies and probabilities of the batches of one epoch.

    Parameters
    ----------
    labels_N
        Of all training images.
    true_probability_N
        float16: the probability of the true class of all training images, written in place.

    Attributes
    ----------
    steps
        (loss, accuracy) of each batch counted.
    total_loss
        Sum over images.
    num_right
        Correctly classified images.
    """

    def __init__(self, labels_N: NDArray[np.int64], true_probability_N: NDArray[np.float16]) -> None:
        self.steps: list[tuple[float, float]] = []
        self.total_loss, self.num_right = 0.0, 0
        self._labels, self._true_probability = labels_N, true_probability_N
        self._indices: list[NDArray[np.int64]] = []
        self._logits: list[Tensor] = []
        self._losses: list[float] = []

    def add(self, indices_B: NDArray[np.int64], logits_BK: Tensor, loss: float) -> None:
        """Add a batch: the indices of its images, their logits without a graph, and its mean loss."""
        self._indices.append(indices_B)
        self._logits.append(logits_BK)
        self._losses.append(loss)
        if len(self._losses) == BATCHES_AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Count the batches that are not counted yet."""
        if not self._losses:
            return
        indices, logits = np.concatenate(self._indices), torch.cat(self._logits)
        labels = torch.from_numpy(self._labels[indices])
        probability = torch.softmax(logits, 1).gather(1, labels[:, None])[:, 0]
        self._true_probability[indices] = probability.numpy()
        sizes = [len(batch) for batch in self._indices]
        starts = np.cumsum([0, *sizes[:-1]])
        right = (logits.argmax(1) == labels).numpy()
        rights = np.add.reduceat(right, starts, dtype=np.int64).tolist()
        for loss, size, batch_right in zip(self._losses, sizes, rights, strict=True):
            self.steps.append((loss, batch_right / size))
            self.total_loss += loss * size
            self.num_right += batch_right
        for pending in (self._indices, self._logits, self._losses):
            pending.clear()
