"""All random numbers of a run, from its one seed.

Each use has its own stream, and each epoch its own position in the stream. So no generator has a state to
save: epoch 57 draws the same numbers whether or not epochs 1 to 56 ran in the same process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """The uses of random numbers. The values determine every result: never reuse or change one."""

    WEIGHTS = 0
    ORDER = 1
    LAYERS = 2
    CROP = 3
    FLIP = 4
    JITTER = 5
    ERASING = 6
    BLEND = 7
    CUSTOM = 8
    ZOOM = 9
    SAMPLING = 10


def generator(seed: int, stream: Stream, epoch: int = 0) -> np.random.Generator:
    """The generator of a stream in an epoch (counted from 1; 0 for uses outside of epochs)."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, stream, epoch)))


def torch_seed(seed: int, stream: Stream, epoch: int = 0) -> int:
    """A seed for torch.manual_seed, 0..2^63-1."""
    return int(_sequence(seed, stream, epoch).generate_state(1, np.uint64)[0] >> 1)


def _sequence(seed: int, stream: Stream, epoch: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(int(stream), epoch))


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Treat floats below 1.2e-38 (denormals) as zero in this thread, if the processor can.

    L2 regularization shrinks unused weights to such numbers, with which processors compute many times more
    slowly, although they change no sum.
    """
    before = _are_zero()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _are_zero() -> bool:
    return not bool(torch.tensor([1e-40], dtype=torch.float32).mul(1).view(torch.int32).item())
