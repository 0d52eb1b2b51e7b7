"""Recipe: everything that decides how one model is trained."""

from __future__ import annotations

import inspect
from typing import Any, Literal

from pydantic import Field

from bakeoff.own_code import import_path
from bakeoff.study.problems import validate
from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.study.settings.base import Settings
from bakeoff.study.settings.model import Model
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
    """Everything that decides how one model is trained."""

    model: Model = DEFAULT_MODEL
    """The model: a name of Bakeoff's own, or an import path, with its options."""

    epochs: int = Field(100, ge=1)
    """Passes over the training images."""

    batch_size: int = Field(128, ge=1)
    """Images a step; the last batch of an epoch may be smaller."""

    augmentation: AugmentationSettings = AugmentationSettings()
    """What may happen to a training image each time it is shown."""

    loss: Loss = DEFAULT_LOSS
    """What is minimised."""

    optimizer: Optimizer = DEFAULT_OPTIMIZER
    """How the weights follow the gradient."""

    gradient_clipping: float = Field(0.0, ge=0)
    """The gradient over all weights is scaled down to this norm where it is longer; 0 turns it off."""

    schedule: Schedule = DEFAULT_SCHEDULE
    """How the learning rate changes over the run."""

    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Evaluate and keep an exponential moving average of the weights, with this share of the average kept at
    each step, and less in the first steps; 0 turns it off."""

    checkpoint: Literal["best_val_accuracy", "best_val_loss", "last"] = "best_val_accuracy"
    """Which epoch's weights are kept and tested; the earliest one where several are equally good."""

    test_time_augmentation: Literal["none", "horizontal_flip"] = "none"
    """What validation, test and prediction average over: `horizontal_flip` takes the mean of the logits of
    an image and its mirror image."""

    train_mode: Literal["every_epoch", "first_epoch_only"] = "every_epoch"
    """When the model is put into training mode. `first_epoch_only` repeats a fault of the published study:
    from epoch 2 on, batch normalisation trains with frozen running statistics. Leave it alone elsewhere."""

    def changed(self, **settings: Any) -> Recipe:
        """A recipe with other settings; a table is merged key by key, as [defaults] of a file is.

        `recipe.changed(epochs=20, optimizer={"lr": 0.01}, augmentation={"horizontal_flip": True})`. A model
        may be a class of your own: `recipe.changed(model=Net)`.

        Raises
        ------
        BakeoffError
            If a setting is unknown or wrong.
        """
        settings = {key: _with_paths(key, value) for key, value in settings.items()}
        tables = merge_recipe(self.model_dump(mode="json"), settings)
        return validate(Recipe, tables, "changed recipe", recipe_keys)


def recipe_keys(path: list[str], recipe: Table) -> list[str]:
    """The keys that may stand in a recipe's table at this path; [] where no table may be."""
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
    """Replace a class of the user's own by its import path."""
    place = {"model": "name", "augmentation": "custom"}.get(key)
    if place and inspect.isclass(value):
        return {place: import_path(value)}
    if place and isinstance(value, dict) and inspect.isclass(value.get(place)):
        return {**value, place: import_path(value[place])}
    return value


def flatten_settings(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe's settings by dotted path, such as `optimizer.lr`, in the order they are declared."""
    return _flatten(recipe.model_dump(mode="json"))


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
