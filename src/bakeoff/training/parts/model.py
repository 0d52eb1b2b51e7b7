"""The model of a recipe for some images."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bakeoff.data.image_data import ImageData
from bakeoff.models import build_model
from bakeoff.models.registry import ModelSettings


def build_model_for(
    settings: ModelSettings, data: ImageData, *, seed: int, trained: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """`build_model` for the classes, size and channels of these images."""
    return build_model(
        settings,
        num_classes=data.num_classes,
        image_size=data.image_size,
        num_channels=data.num_channels,
        seed=seed,
        trained=trained,
    )
