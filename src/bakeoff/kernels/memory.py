"""Large memory that is used again and again, in large pages where the system has them.

What a training step allocates and frees, the system clears anew each time, page by page: a third of the step
of a small net.
"""

from __future__ import annotations

import mmap
import threading
import weakref
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

PAGE = 2**21
MOST_FREE = 6
"""Blocks that are kept for later."""

_free: list[mmap.mmap] = []
_lock = threading.RLock()  # again in the same thread: a finalizer may run at any time


def take_memory(floats: int) -> Tensor:
    """float32 [floats] of any content, at a multiple of 64; it goes back when nothing refers to it.

    Raises
    ------
    MemoryError
        If there is none.
    """
    size = -(-max(floats, 1) * 4 // PAGE) * PAGE
    block = _find(size) or _map(size)
    array = np.frombuffer(block, dtype=np.float32, count=floats)
    weakref.finalize(array, _give_back, block).atexit = False
    return torch.from_numpy(array)


def _find(size: int) -> mmap.mmap | None:
    """A free block of at least this size, and not of more than twice of it: the smallest."""
    with _lock:
        fitting = [block for block in _free if size <= len(block) <= 2 * size]
        if not fitting:
            return None
        block = min(reversed(fitting), key=len)  # the last given back is nearest to the core
        _free.remove(block)
        return block


def _map(size: int) -> mmap.mmap:
    try:
        # Private: a process that is forked has its own.
        private = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
        block = mmap.mmap(-1, size, flags=private) if private else mmap.mmap(-1, size)
    except OSError as error:
        raise MemoryError(f"no {size} bytes of memory for the kernels") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a system without them
            block.madvise(mmap.MADV_HUGEPAGE)
    return block


def _give_back(block: mmap.mmap) -> None:
    with _lock:
        _free.append(block)
        del _free[:-MOST_FREE]
