"""NotCaptured: why the forward of a model is called as it is, in a line that names the place."""

from __future__ import annotations

import traceback
from pathlib import Path

from bakeoff.kernels.recording.purity import is_users_file
from bakeoff.text import shorten


class NotCaptured(Exception):
    """Why a model is run as it is: one line that names the place."""


def own_name(name: str) -> str:
    """A module's name as the user has it."""
    return name.removeprefix("model").removeprefix(".") or "the model"


def first_line(error: BaseException) -> str:
    """What it says first, or its type."""
    return (str(error).strip().split("\n", 1)[0] or type(error).__name__)[:200]


def describe(error: BaseException) -> str:
    """The line of the user's that raised, and what."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if is_users_file(path):
            return f"{path.name}:{frame.lineno}, {shorten(frame.line or '')}: {first_line(error)}"
    return first_line(error)
