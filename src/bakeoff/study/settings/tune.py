"""The [tune] table of a study file, and the spaces of a recipe's search."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field, field_validator, model_validator

from bakeoff.study.settings.base import Settings, refuse_unwritable
from bakeoff.study.settings.compare import PATTERN, check_metric

MAX_TRIALS = 1_000

DIGITS = 4
"""Significant digits of a drawn number: more say nothing, and differ between mathematical libraries."""


class TuneSettings(Settings):
    """How the recipes that have a search space are tuned: by random search, each with the same budget."""

    trials: int = Field(16, ge=0, le=MAX_TRIALS)
    """Number of settings tried per recipe that has a search space; 0 takes the values in the file. Raising it
    adds trials to those that were made."""

    metric: str | None = Field(None, json_schema_extra={"pattern": f"^(val_)?{PATTERN}"})
    """The score of the validation images that chooses among the trials: a name as in `compare.metric`, which
    is the default; `val_accuracy` is the same as `accuracy`."""

    seed: int = Field(0, ge=0)
    """Determines the settings and the random numbers of all trials."""

    @field_validator("metric")
    @classmethod
    def _has_a_name(cls, name: str | None) -> str | None:
        return None if name is None else check_metric(name.removeprefix("val_"))


class Space(Settings):
    """The values of one setting among which a search draws: a range, or a list."""

    low: float | int | None = None
    """Lower end of a range. If both ends are whole numbers, only whole numbers are drawn."""

    high: float | int | None = None
    """Upper end of the range."""

    log: bool = False
    """Whether the logarithm is drawn evenly, so that 0.001 to 0.01 is as likely as 0.01 to 0.1."""

    choices: tuple[Any, ...] | None = Field(None, strict=False)
    """The values to draw from, all equally likely, in place of a range."""

    @model_validator(mode="after")
    def _is_possible(self) -> Space:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("has choices and a range; expected { choices = [...] } or { low, high }")
            refuse_unwritable({"choices": list(self.choices)})
            if len(self.choices) < 2:
                raise ValueError(
                    f"choices has {len(self.choices)} value; expected two or more, or the value as a setting "
                    "of the recipe"
                )
            if any(value in self.choices[:place] for place, value in enumerate(self.choices)):
                raise ValueError("choices has a value twice; expected different values")
        elif self.low is None or self.high is None:
            raise ValueError("expected { low = ..., high = ... } or { choices = [...] }")
        elif self.low >= self.high:
            raise ValueError(f"low is {self.low} and high {self.high}; expected low below high")
        elif self.log and self.low <= 0:
            raise ValueError(f"low is {self.low} with log = true; expected a number above 0, or log = false")
        return self

    @property
    def limits(self) -> tuple[Any, ...]:
        """The ends of a range, or all choices: if a recipe can have these, it can have all values."""
        return self.choices if self.choices is not None else (self.low, self.high)

    @property
    def as_text(self) -> str:
        """The space in words: "0.001 to 1, logarithmic", or "0, 0.0005 or 0.005"."""
        if self.choices is not None:
            *others, last = map(str, self.choices)
            return f"{', '.join(others)} or {last}"
        return f"{self.low:g} to {self.high:g}{', logarithmic' if self.log else ''}"

    def value_at(self, share: float) -> Any:
        """The value below which this share of the draws lies, 0..1 (exclusive)."""
        if self.choices is not None:
            return self.choices[int(share * len(self.choices))]
        low, high = self.low, self.high
        assert low is not None
        assert high is not None
        whole = isinstance(low, int) and isinstance(high, int)
        top = high + 1 if whole else high
        drawn = low * math.exp(share * math.log(top / low)) if self.log else low + share * (top - low)
        drawn = math.floor(drawn) if whole else float(f"{drawn:.{DIGITS}g}")
        return min(max(drawn, low), high)
