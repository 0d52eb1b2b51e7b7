"""Recipe: everything that determines how one model is trained."""

from __future__ import annotations

import inspect
from typing import Any, Literal

from pydantic import Field

from bakeoff.own_code import import_path
from bakeoff.study.problems import validate
from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.study.settings.base import Settings
from bakeoff.study.settings.model import CustomModelSettings, Model
from bakeoff.study.settings.optimization import Loss, Optimizer, Schedule
from bakeoff.study.settings.tables import (
    DEFAULT_LOSS,
    DEFAULT_MODEL,
    DEFAULT_OPTIMIZER,
    DEFAULT_SCHEDULE,
    NAMED_TABLES,
    PLAIN_TABLES,
    named_table_keys,
)
from bakeoff.study.tables import Table, merge_recipe


class Recipe(Settings):
    """Everything that determines how one model is trained."""

    model: Model = DEFAULT_MODEL
    """The model: the name of a built-in model, or an import path, with its options."""

    epochs: int = Field(100, ge=1)
    """Number of passes over the training images."""

    batch_size: int = Field(128, ge=1)
    """Images per step; the last batch of an epoch may be smaller."""

    augmentation: AugmentationSettings = AugmentationSettings()
    """Random changes to training images."""

    loss: Loss = DEFAULT_LOSS
    """The function that is minimized."""

    optimizer: Optimizer = DEFAULT_OPTIMIZER
    """How the weights are updated."""

    gradient_clipping: float = Field(0.0, ge=0)
    """Maximum norm of the gradient over all weights: a larger one is scaled down to it. 0 turns it off."""

    schedule: Schedule = DEFAULT_SCHEDULE
    """How the learning rate changes during the run."""

    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Evaluate and keep an exponential moving average of the weights with this decay per step (less in the
    first steps). 0 turns it off."""

    checkpoint: Literal["best_val_accuracy", "best_val_loss", "last"] = "best_val_accuracy"
    """The epoch whose weights are kept and tested; of several equally good ones, the earliest."""

    test_time_augmentation: Literal["none", "horizontal_flip"] = "none"
    """Averaging in validation, test and prediction: `horizontal_flip` averages the logits of an image and its
    mirror image."""

    train_mode: Literal["every_epoch", "first_epoch_only"] = "every_epoch"
    """When the model is put into training mode. `first_epoch_only` reproduces a fault of the published study:
    from epoch 2 on, batch normalization trains with frozen running statistics. Do not use it otherwise."""

    @property
    def own_classes(self) -> tuple[str, ...]:
        """The import paths of the user's own model and augmentation, in this order; () without any."""
        model = (self.model.name,) if isinstance(self.model, CustomModelSettings) else ()
        return (*model, self.augmentation.custom) if self.augmentation.custom else model

    def changed(self, **settings: Any) -> Recipe:
        """Return a recipe with other settings; tables are merged key by key, like [defaults] of a file.

        `recipe.changed(epochs=20, optimizer={"lr": 0.01}, augmentation={"horizontal_flip": True})`. A model
        may be your own class: `recipe.changed(model=Net)`.

        Raises
        ------
        BakeoffError
            If a setting is unknown or wrong.
        """
        settings = {key: _with_paths(key, value) for key, value in settings.items()}
        tables = merge_recipe(self.model_dump(mode="json"), settings)
        return validate(Recipe, tables, "changed recipe", recipe_keys)


def recipe_keys(path: list[str], recipe: Table) -> list[str]:
    """The valid keys of a recipe's table at this path; [] if there can be no table."""
    match path:
        case []:
            return list(Recipe.model_fields)
        case [table] if table in PLAIN_TABLES:
            return list(PLAIN_TABLES[table].model_fields)
        case [table] if table in NAMED_TABLES:
            return named_table_keys(table, recipe[table].get("name"))
        case _:
            return []


def _with_paths(key: str, value: Any) -> Any:
    """Replace a user's own class by its import path."""
    place = {"model": "name", "augmentation": "custom"}.get(key)
    if place and inspect.isclass(value):
        return {place: import_path(value)}
    if place and isinstance(value, dict) and inspect.isclass(value.get(place)):
        return {**value, place: import_path(value[place])}
    return value


def flatten_settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe's settings by dotted path, such as `optimizer.lr`, in the order of declaration."""
    return _flatten(recipe.model_dump(mode="json"))


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
