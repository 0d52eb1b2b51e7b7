"""The models a recipe can name, with their options."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, Tag, model_validator

from bakeoff.study.settings.base import IMPORT_PATH, Settings, SettingsWithOptions, by_name

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
    """Your own model; further keys of the table are passed to the class as keyword arguments."""

    name: str = Field(pattern=IMPORT_PATH)
    """Import path `package.module:Class` of a `torch.nn.Module`. The class is called as
    `Class(num_classes=..., image_size=..., **other_keys)`, and with `num_channels=1` if `data.channels` is
    `grey`."""


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
