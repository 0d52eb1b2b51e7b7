"""The one exception for mistakes that a user can correct."""

from __future__ import annotations


class BakeoffError(Exception):
    """A user's mistake, reported in one message: what was found, what was expected, what to do.

    The command line prints the message without a traceback and exits with 2.

    Parameters
    ----------
    message
        Names no option of the command line.
    parameter
        The Python parameter whose value is to be changed, such as "path" (the study folder), "data", "device"
        or "csv"; the command line adds its own name for it. None where the remedy is something else.
    """

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter
