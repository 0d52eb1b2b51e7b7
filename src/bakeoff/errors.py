"""The one exception for mistakes a user can cause, and how its text is kept fit to be shown."""

from __future__ import annotations


class BakeoffError(Exception):
    """A user's mistake, told in one piece: what was found, what was expected, what to do.

    The command line prints the text without a traceback and exits with 2.
    """
