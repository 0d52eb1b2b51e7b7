"""The models a recipe can name, with their options."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

from bakeoff.study.settings.base import IMPORT_PATH, Settings, SettingsWithOptions, by_name
from bakeoff.text import shorten

LIBRARIES = ("timm", "torchvision")
"""Whose models are named as `timm:NAME`."""

ALL_BUT_HEAD = "all_but_head"

DropoutRate = Annotated[float, Field(ge=0, lt=1)]


class LeNet5Settings(Settings):
    """LeNet-5 with ReLU and max pooling: 62,006 parameters on ten classes at 32 x 32."""

    name: Literal["lenet5"] = "lenet5"

    batch_norm: bool = False
    """Add batch normalization after each ReLU."""

    dropout: DropoutRate = 0.0
    """Dropout probability before the second and the third linear layer."""


class LeNet51998Settings(Settings):
    """The LeNet-5 of 1998: tanh, trainable average pooling, a partially connected second convolution."""

    name: Literal["lenet5_1998"] = "lenet5_1998"


class ResNetSettings(Settings):
    """A small residual network: stages of 3 x 3 convolutions, each at half the resolution of the last."""

    name: Literal["resnet"] = "resnet"

    widths: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (16, 32, 48), strict=False, min_length=1, max_length=8
    )
    """Number of channels of each stage."""

    blocks: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (1, 1, 1), strict=False, min_length=1, max_length=8
    )
    """Number of residual blocks of each stage, with two convolutions per block."""

    dropout: DropoutRate = 0.0
    """Dropout probability before the linear layer."""

    @model_validator(mode="after")
    def _as_many_blocks_as_widths(self) -> ResNetSettings:
        if len(self.widths) != len(self.blocks):
            raise ValueError(
                f"widths gives {len(self.widths)} stages and blocks {len(self.blocks)}; "
                "expected one number per stage in both"
            )
        return self


class CustomModelSettings(SettingsWithOptions):
    """Your own model, or one of timm or torchvision; further keys are passed to it as keyword arguments."""

    name: str = Field(pattern=rf"{IMPORT_PATH}|^({'|'.join(LIBRARIES)}):\w[\w.]*$")
    """Import path `package.module:Class` of a `torch.nn.Module`, or `timm:NAME` or `torchvision:NAME`. The
    class is called as `Class(num_classes=..., image_size=..., **other_keys)`, and with `num_channels=1` if
    `data.channels` is `grey`; a model of the two libraries is built without `image_size`."""

    weights: str | None = Field(None, min_length=1)
    """File of pretrained weights: `.safetensors`, `.pt` or `.pth`; a relative path starts from the current
    folder. All but the head is loaded: the layers whose shapes do not depend on the number of classes. Where
    the file or the library states mean, standard deviation and size of the images, the model gets such."""

    freeze: str | Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """What is not trained: `"all_but_head"`, or a list of patterns of parameter names, such as `"layer1.*"`.
    The statistics of frozen batch normalization stay as they are, too."""

    head_lr_factor: float | None = Field(None, gt=0)
    """The learning rate of the head is multiplied by this."""

    @field_validator("freeze", mode="before")
    @classmethod
    def _is_head_or_patterns(cls, freeze: object) -> object:
        is_list = isinstance(freeze, list | tuple) and all(isinstance(pattern, str) for pattern in freeze)
        if freeze not in (None, ALL_BUT_HEAD) and not (is_list and freeze):
            raise ValueError(
                f"found {shorten(freeze)}, expected {ALL_BUT_HEAD!r} or a list of patterns of parameter names"
            )
        return freeze

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is not set: the identity of earlier runs does not know of pretrained weights."""
        return {key: value for key, value in handler(self).items() if value is not None}

    @property
    def library(self) -> str | None:
        """The library whose model it is; None for a class of the user's own."""
        library = self.name.partition(":")[0]
        return library if library in LIBRARIES else None

    @property
    def is_pretrained(self) -> bool:
        """Whether it has pretrained weights, frozen ones, or a head with another learning rate."""
        return (self.weights, self.freeze, self.head_lr_factor) != (None, None, None)


BUILT_IN_MODELS: dict[str, type[BaseModel]] = {
    "lenet5": LeNet5Settings,
    "lenet5_1998": LeNet51998Settings,
    "resnet": ResNetSettings,
}


Model = Annotated[
    Annotated[LeNet5Settings, Tag("lenet5")]
    | Annotated[LeNet51998Settings, Tag("lenet5_1998")]
    | Annotated[ResNetSettings, Tag("resnet")]
    | Annotated[CustomModelSettings, Tag("import path")],
    by_name(LeNet5Settings().name),
]
