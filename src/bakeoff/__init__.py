"""Bakeoff: train image classifier recipes with many seeds, and say honestly which is better."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    from bakeoff.data.arrays import ImageArrays
    from bakeoff.result import Result, open_result, run
    from bakeoff.study import Recipe, Study, builtin_studies, load_study

_WHERE = {
    "ImageArrays": "bakeoff.data.arrays",
    "Recipe": "bakeoff.study",
    "Result": "bakeoff.result",
    "Study": "bakeoff.study",
    "builtin_studies": "bakeoff.study",
    "load_study": "bakeoff.study",
    "open_result": "bakeoff.result",
    "run": "bakeoff.result",
}

__all__ = [
    "BakeoffError",
    "ImageArrays",
    "Recipe",
    "Result",
    "Study",
    "builtin_studies",
    "load_study",
    "open_result",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: the command line starts without torch."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'bakeoff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
