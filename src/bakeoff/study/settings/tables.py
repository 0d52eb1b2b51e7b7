"""The tables of a recipe."""

from __future__ import annotations

from pydantic import BaseModel

from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.study.settings.base import Settings
from bakeoff.study.settings.model import BUILT_IN_MODELS, LeNet5Settings
from bakeoff.study.settings.optimization import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    AdamSettings,
    CrossEntropySettings,
    StepSchedule,
)

NAMED_TABLES: dict[str, dict[str, type[Settings]]] = {
    "model": BUILT_IN_MODELS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
"""The tables of a recipe that have a `name`, and the valid names."""

PLAIN_TABLES: dict[str, type[BaseModel]] = {"augmentation": AugmentationSettings}
"""The tables of a recipe without a name."""

DEFAULT_MODEL = LeNet5Settings()
DEFAULT_LOSS = CrossEntropySettings()
DEFAULT_OPTIMIZER = AdamSettings()
DEFAULT_SCHEDULE = StepSchedule()

DEFAULT_NAMES = {
    "model": DEFAULT_MODEL.name,
    "loss": DEFAULT_LOSS.name,
    "optimizer": DEFAULT_OPTIMIZER.name,
    "schedule": DEFAULT_SCHEDULE.name,
}
"""The name of a table that has options but no `name`."""


def named_table_keys(table: str, name: object) -> list[str]:
    """The valid keys of one of `NAMED_TABLES` with this name, or with the default name."""
    kinds = NAMED_TABLES[table]
    known = name if isinstance(name, str) and name in kinds else DEFAULT_NAMES[table]
    return list(kinds[known].model_fields)
