"""A recipe: everything that decides how one model is trained."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from bakeoff.errors import shorten
from bakeoff.study.base import Settings


class LeNet5Settings(Settings):
    """LeNet-5 with ReLU and max pooling: 62,006 parameters on ten classes at 32 x 32."""

    name: Literal["lenet5"] = "lenet5"

    batch_norm: bool = False
    """Put a batch normalisation after each ReLU."""


class CustomModelSettings(BaseModel):
    """A model of the user's own; further keys of the table are passed to the class by name."""

    model_config = ConfigDict(
        extra="allow", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    name: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """Import path `package.module:Class` of a torch.nn.Module. The class is called as
    `Class(num_classes=..., image_size=..., **other_keys)`."""

    @model_validator(mode="after")
    def _options_can_be_written(self) -> CustomModelSettings:
        for key, value in self.options.items():
            if not _is_plain(value):
                raise ValueError(
                    f"{key[:100]} is {shorten(value)}; "
                    "expected finite numbers, texts, true, false, and lists or tables of them"
                )
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The keys beyond `name`."""
        return dict(self.model_extra or {})


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(child) for child in value.values())
    if isinstance(value, list):
        return all(_is_plain(child) for child in value)
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


class AdamSettings(Settings):
    """Adam (Kingma and Ba, 2015); weight decay is coupled, that is, an L2 penalty."""

    name: Literal["adam"] = "adam"

    lr: float = Field(0.001, gt=0)
    """Learning rate at the start of the schedule."""

    weight_decay: float = Field(0.0, ge=0)
    """Added to the gradient times the weight."""

    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), strict=False
    )
    """Decay rates of the running mean of the gradient and of its square."""


class AdamWSettings(AdamSettings):
    """AdamW (Loshchilov and Hutter, 2019); weight decay is decoupled from the gradient."""

    name: Literal["adamw"] = "adamw"  # type: ignore[assignment]

    weight_decay: float = Field(0.01, ge=0)
    """Share of the weight, times the learning rate, taken off at each step."""


class SGDSettings(Settings):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"] = "sgd"

    lr: float = Field(0.1, gt=0)
    """Learning rate at the start of the schedule."""

    momentum: float = Field(0.9, ge=0, lt=1)
    """Share of the last step kept in the next; 0 turns it off."""

    weight_decay: float = Field(0.0, ge=0)
    """Added to the gradient times the weight."""


class ConstantSchedule(Settings):
    """The learning rate stays as it is."""

    name: Literal["constant"] = "constant"


class StepSchedule(Settings):
    """The learning rate is multiplied by `gamma` every `step_size` epochs."""

    name: Literal["step"] = "step"

    step_size: int = Field(20, ge=1)
    """Epochs between two drops."""

    gamma: float = Field(0.5, gt=0, le=1)
    """Factor of one drop."""


class CosineSchedule(Settings):
    """Half a cosine from the learning rate to `final_lr` over the epochs of the run, set once an epoch."""

    name: Literal["cosine"] = "cosine"

    final_lr: float = Field(0.0, ge=0)
    """Learning rate that the curve ends at."""


Optimizer = Annotated[AdamSettings | AdamWSettings | SGDSettings, Field(discriminator="name")]
Schedule = Annotated[ConstantSchedule | StepSchedule | CosineSchedule, Field(discriminator="name")]


def _model_tag(model: Any) -> str:
    name = model.get("name", "lenet5") if isinstance(model, dict) else getattr(model, "name", "")
    return "import path" if ":" in str(name) else str(name)


Model = Annotated[
    Annotated[LeNet5Settings, Tag("lenet5")] | Annotated[CustomModelSettings, Tag("import path")],
    Discriminator(_model_tag),
]

NAMED_TABLES: dict[str, dict[str, type[BaseModel]]] = {
    "model": {"lenet5": LeNet5Settings},
    "optimizer": {"adam": AdamSettings, "adamw": AdamWSettings, "sgd": SGDSettings},
    "schedule": {"constant": ConstantSchedule, "step": StepSchedule, "cosine": CosineSchedule},
}
"""The tables of a recipe that begin with a `name`, and what may stand there."""


class Recipe(Settings):
    """Everything that decides how one model is trained."""

    model: Model = LeNet5Settings()
    """The model: a name of Bakeoff's own, or an import path, with its options."""

    epochs: int = Field(100, ge=1)
    """Passes over the training images."""

    batch_size: int = Field(128, ge=1)
    """Images a step; the last batch of an epoch may be smaller."""

    loss: Literal["cross_entropy"] = "cross_entropy"
    """What is minimised."""

    optimizer: Optimizer = AdamSettings()
    """How the weights follow the gradient."""

    schedule: Schedule = StepSchedule()
    """How the learning rate changes from epoch to epoch."""

    checkpoint: Literal["best_val_accuracy", "best_val_loss", "last"] = "best_val_accuracy"
    """Which epoch's weights are kept and tested; the earliest one where several are equally good."""

    train_mode: Literal["every_epoch", "first_epoch_only"] = "every_epoch"
    """When the model is put into training mode. `first_epoch_only` repeats a fault of the published study:
    from epoch 2 on, batch normalisation trains with frozen running statistics. Leave it alone elsewhere."""


def flatten_settings(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe's settings by dotted path, such as `optimizer.lr`, in the order they are declared."""
    return _flatten(recipe.model_dump(mode="json"))


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
