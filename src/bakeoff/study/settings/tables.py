"""The tables of a recipe."""

from __future__ import annotations

from pydantic import BaseModel

from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.study.settings.model import BUILT_IN_MODELS, CustomModelSettings, LeNet5Settings
from bakeoff.study.settings.optimization import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    AdamSettings,
    CrossEntropySettings,
    OwnLossSettings,
    OwnOptimizerSettings,
    OwnScheduleSettings,
    StepSchedule,
)
from bakeoff.study.settings.trainer import TRAINERS, OwnTrainerSettings

NAMED_TABLES: dict[str, dict[str, type[BaseModel]]] = {
    "model": BUILT_IN_MODELS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "trainer": TRAINERS,
}
"""The tables of a recipe that have a `name`, and the valid names."""

OWN_PARTS: dict[str, type[BaseModel]] = {
    "model": CustomModelSettings,
    "loss": OwnLossSettings,
    "optimizer": OwnOptimizerSettings,
    "schedule": OwnScheduleSettings,
    "trainer": OwnTrainerSettings,
}
"""The same tables where an import path is the name."""

PLAIN_TABLES: dict[str, type[BaseModel]] = {"augmentation": AugmentationSettings}
"""The tables of a recipe without a name."""

OF_TRAINER = ("trainer", "settings", "vary", "search", "trials")
"""The settings of a recipe that other code than Bakeoff's trains."""

DEFAULT_MODEL = LeNet5Settings()
DEFAULT_LOSS = CrossEntropySettings()
DEFAULT_OPTIMIZER = AdamSettings()
DEFAULT_SCHEDULE = StepSchedule()

DEFAULT_NAMES = {
    "model": DEFAULT_MODEL.name,
    "loss": DEFAULT_LOSS.name,
    "optimizer": DEFAULT_OPTIMIZER.name,
    "schedule": DEFAULT_SCHEDULE.name,
    "trainer": "sklearn",
}
"""The name of a table that has options but no `name`."""


def named_table_keys(table: str, name: object) -> list[str]:
    """The valid keys of one of `NAMED_TABLES` with this name, or with the default name."""
    if isinstance(name, str) and ":" in name:
        return list(OWN_PARTS[table].model_fields)
    kinds = NAMED_TABLES[table]
    known = name if isinstance(name, str) and name in kinds else DEFAULT_NAMES[table]
    return list(kinds[known].model_fields)
