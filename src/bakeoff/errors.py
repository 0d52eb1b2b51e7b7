"""The exception for mistakes that a user can correct."""

from __future__ import annotations


class BakeoffError(Exception):
    """A user's mistake in one message: what was found, what was expected, what to do.

    The command line prints the text without a traceback and exits with 2.

    Attributes
    ----------
    parameter
        The parameter of the Python function whose value is to be changed, such as "path", where it is one;
        the command line names its own option for it.
    """

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), *self.args, self.parameter)


def _restored(kind: type[BakeoffError], message: str, parameter: str | None) -> BakeoffError:
    return kind(message, parameter=parameter)
