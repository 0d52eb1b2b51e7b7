"""All random numbers of a run, from its one seed.

Each use has its own stream, and each epoch its own position in the stream. So no generator has a state to
save: epoch 57 draws the same numbers whether or not epochs 1 to 56 ran in the same process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch

from bakeoff.study.recipe import FIXED_SEED


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


SOURCE_OF = {
    Stream.WEIGHTS: "weights",
    Stream.ORDER: "order",
    Stream.SAMPLING: "order",
    Stream.LAYERS: "layers",
}
"""What a recipe's `vary` calls the streams; the others are augmentation."""


class PartlyFixedSeed(int):
    """A seed that only some streams follow; the others are as with `FIXED_SEED`."""

    vary: frozenset[str]

    def of(self, stream: Stream) -> int:
        """The seed of a stream."""
        return int(self) if SOURCE_OF.get(stream, "augmentation") in self.vary else FIXED_SEED


def seed_of_run(seed: int, vary: Collection[str] | None) -> int:
    """The seed from which a run draws its random numbers.

    Parameters
    ----------
    seed
        Of the run.
    vary
        Of the recipe; None for everything.
    """
    if vary is None:
        return seed
    partly = PartlyFixedSeed(seed)
    partly.vary = frozenset(vary)
    return partly


def generator(seed: int, stream: Stream, epoch: int = 0) -> np.random.Generator:
    """The generator of a stream in an epoch (counted from 1; 0 for uses outside of epochs)."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, stream, epoch)))


def torch_seed(seed: int, stream: Stream, epoch: int = 0) -> int:
    """A seed for torch.manual_seed, 0..2^63-1."""
    return int(_sequence(seed, stream, epoch).generate_state(1, np.uint64)[0] >> 1)


def _sequence(seed: int, stream: Stream, epoch: int) -> np.random.SeedSequence:
    number = seed.of(stream) if isinstance(seed, PartlyFixedSeed) else seed
    return np.random.SeedSequence(number, spawn_key=(int(stream), epoch))


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
