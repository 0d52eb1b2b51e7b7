"""map_blocks(): work on parts of many images at once, on all cores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bakeoff.environment import available_cores

Result = TypeVar("Result")


def map_blocks(function: Callable[[slice], Result], length: int, size: int) -> list[Result]:
    """The function's results for the consecutive parts of a sequence, of `size` elements each.

    The parts are shared out to threads, which run at the same time while NumPy computes.
    """
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(function, (slice(start, start + size) for start in range(0, length, size))))
