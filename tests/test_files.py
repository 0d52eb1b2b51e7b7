"""What is written into files: JSON without NaN, CSV that shows what is not known as empty."""

import json
import math
from dataclasses import dataclass

import numpy as np

from bakeoff.files import jsonable, to_csv


@dataclass(frozen=True)
class Point:
    name: str
    at: tuple[float, ...]
    inner: object = None

    @property
    def ignored(self) -> int:
        return 1


def test_jsonable_gives_plain_values_and_none_for_what_is_not_finite() -> None:
    value = {
        "points": [Point("a", (1.0, math.nan), Point("b", ()))],
        "array": np.array([[1.5, np.inf], [-np.inf, 2.0]]),
        "counts": np.arange(3),
        "one": np.float64(0.25),
        "nothing": np.float32(np.nan),
        "flag": np.bool_(True),
    }
    plain = jsonable(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain == {
        "points": [{"name": "a", "at": [1.0, None], "inner": {"name": "b", "at": [], "inner": None}}],
        "array": [[1.5, None], [None, 2.0]],
        "counts": [0, 1, 2],
        "one": 0.25,
        "nothing": None,
        "flag": True,
    }
    assert list(plain) == list(value)


def test_csv_leaves_empty_what_is_not_known() -> None:
    rows = [(None, math.nan, np.float64(np.inf)), (0, np.float64(0.1), "=1")]
    assert to_csv(("a", "b", "c"), rows) == "a,b,c\n,,\n0,0.1,'=1\n"
