"""Recipe: everything that decides how one model is trained."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from bakeoff.study.augmentation_settings import AugmentationSettings
from bakeoff.study.base import Settings
from bakeoff.study.model_settings import BUILT_IN_MODELS, LeNet5Settings, Model
from bakeoff.study.optimization_settings import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    AdamSettings,
    CrossEntropySettings,
    Loss,
    Optimizer,
    Schedule,
    StepSchedule,
)

NAMED_TABLES: dict[str, dict[str, type[Settings]]] = {
    "model": BUILT_IN_MODELS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
"""The tables of a recipe that begin with a `name`, and what may stand there."""

PLAIN_TABLES: dict[str, type[BaseModel]] = {"augmentation": AugmentationSettings}
"""The tables of a recipe without a name."""


class Recipe(Settings):
    """Everything that decides how one model is trained."""

    model: Model = LeNet5Settings()
    """The model: a name of Bakeoff's own, or an import path, with its options."""

    epochs: int = Field(100, ge=1)
    """Passes over the training images."""

    batch_size: int = Field(128, ge=1)
    """Images a step; the last batch of an epoch may be smaller."""

    augmentation: AugmentationSettings = AugmentationSettings()
    """What may happen to a training image each time it is shown."""

    loss: Loss = CrossEntropySettings()
    """What is minimised."""

    optimizer: Optimizer = AdamSettings()
    """How the weights follow the gradient."""

    gradient_clipping: float = Field(0.0, ge=0)
    """The gradient over all weights is scaled down to this norm where it is longer; 0 turns it off."""

    schedule: Schedule = StepSchedule()
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
        from bakeoff.study.changing import changed_recipe

        return changed_recipe(self, settings)


def flatten_settings(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe's settings by dotted path, such as `optimizer.lr`, in the order they are declared."""
    return _flatten(recipe.model_dump(mode="json"))


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
