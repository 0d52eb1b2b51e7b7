"""Progress: report how far a long step has got."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]
"""Called with a description of the step, the work done and the total work."""


class Progress:
    """Counts the work done of one step and reports it; to be used from one thread only.

    Parameters
    ----------
    text
        Describes the step.
    total
        Units of work.
    callback
        Called at the start and after each advance, if not None.
    """

    def __init__(self, text: str, total: int, callback: ProgressCallback | None) -> None:
        self.text = text
        self.total = total
        self.done = 0
        self.callback = callback
        self.advance(0)

    def advance(self, amount: int) -> None:
        self.done += amount
        if self.callback:
            self.callback(self.text, self.done, self.total)
