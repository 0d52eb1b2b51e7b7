"""Progress: tell a caller how far a long step has come."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is in all."""


class Progress:
    """Counts one step's work and reports it; called from one thread only.

    Parameters
    ----------
    text
        What is being done.
    total
        Units of work.
    callback
        Told at the start and after each advance; None tells nobody.
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
