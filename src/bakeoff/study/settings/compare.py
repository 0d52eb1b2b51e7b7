"""The [compare] table of a study file: by what the recipes are compared."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from bakeoff.study.settings.base import Settings
from bakeoff.text import did_you_mean, listed, shorten

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "auroc",
    "average_precision",
    "log_loss",
    "brier",
)
"""All but top_K."""

PATTERN = rf"({'|'.join(METRICS)}|top_[1-9][0-9]{{0,3}})$"
"""The end of a metric's name, for editors; `check_metric` gives better messages."""


class CompareSettings(Settings):
    """By what the recipes are compared."""

    metric: str = Field("accuracy", json_schema_extra={"pattern": f"^{PATTERN}"})
    """The score that decides the verdicts: accuracy, balanced_accuracy (mean recall of the classes),
    macro_f1, auroc and average_precision (one class against the rest, mean over classes), log_loss, brier,
    or top_K, such as top_5. The others are reported without verdicts. `margin` is in its unit: 0.01 is a
    percentage point, of log_loss 0.01 nats."""

    @field_validator("metric")
    @classmethod
    def _has_a_name(cls, name: str) -> str:
        return check_metric(name)


def check_metric(name: str) -> str:
    """Return the name of a score; raise a ValueError if there is none of this name."""
    if name not in METRICS and not re.fullmatch(r"top_[1-9]\d{0,3}", name):
        hint = did_you_mean(name, METRICS)
        raise ValueError(f"found {shorten(name)}, expected {listed([*METRICS, 'top_K'])}{hint}")
    return name
