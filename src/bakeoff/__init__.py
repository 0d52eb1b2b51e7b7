"""Bakeoff: train image classifier recipes with many seeds, and say honestly which is better."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    from bakeoff.analysis.scores.own import own_metric
    from bakeoff.api import RunsFailedError, compare, open_result, run
    from bakeoff.comparison_result import ComparisonResult
    from bakeoff.data.sources.arrays import ImageArrays
    from bakeoff.result import Result
    from bakeoff.study import Recipe, Study, builtin_studies, load_study

_WHERE = {
    "ComparisonResult": "bakeoff.comparison_result",
    "ImageArrays": "bakeoff.data.sources.arrays",
    "Recipe": "bakeoff.study",
    "Result": "bakeoff.result",
    "RunsFailedError": "bakeoff.api",
    "Study": "bakeoff.study",
    "builtin_studies": "bakeoff.study",
    "compare": "bakeoff.api",
    "load_study": "bakeoff.study",
    "open_result": "bakeoff.api",
    "own_metric": "bakeoff.analysis.scores.own",
    "run": "bakeoff.api",
}

__all__ = [
    "BakeoffError",
    "ComparisonResult",
    "ImageArrays",
    "Recipe",
    "Result",
    "RunsFailedError",
    "Study",
    "builtin_studies",
    "compare",
    "load_study",
    "open_result",
    "own_metric",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: the command line starts without torch."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'bakeoff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
