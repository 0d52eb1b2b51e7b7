"""How a run computes: with denormal numbers as zero."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Let this thread take floats below 1.2e-38 as zero, where the processor can.

    L2 regularisation shrinks weights that nothing needs until they are that small, and processors take many
    times as long for arithmetic with such numbers, which change nothing that is added to them.
    """
    before = _are_zero()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _are_zero() -> bool:
    return not bool(torch.tensor([1e-40], dtype=torch.float32).mul(1).view(torch.int32).item())
