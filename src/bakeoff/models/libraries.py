"""Models of timm and torchvision by name; without weights, because Bakeoff downloads nothing."""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

from bakeoff.errors import BakeoffError
from bakeoff.models.weights_file import Stated
from bakeoff.study.settings.model import CustomModelSettings

LOADS_WEIGHTS = ("pretrained", "checkpoint_path", "cache_dir", "weights_backbone", "num_classes", "in_chans")
"""Options of the libraries, or beginnings of them, that would load weights, or that Bakeoff sets."""


def build_library_model(settings: CustomModelSettings, num_classes: int, num_channels: int) -> nn.Module:
    """A newly initialized model of a library.

    Raises
    ------
    BakeoffError
        If the library cannot be imported, or an option is one that Bakeoff sets.
    """
    for option in settings.options:
        if option.startswith(LOADS_WEIGHTS):
            raise BakeoffError(
                f"model {settings.name!r}: remove the option {option}: the data decide the classes and "
                "channels, pretrained weights are a file, `weights = FILE`, and Bakeoff downloads nothing"
            )
    name = settings.name.partition(":")[2]
    library = _import(settings)
    model: nn.Module
    if settings.library == "timm":
        model = library.create_model(
            name, pretrained=False, num_classes=num_classes, in_chans=num_channels, **settings.options
        )
    else:
        model = library.models.get_model(name, weights=None, num_classes=num_classes, **settings.options)
    return model


def stated_by_library(settings: CustomModelSettings) -> Stated:
    """The preprocessing that a library states for the published weights of a model; nothing for others."""
    if settings.library is None:
        return Stated()
    name, models = settings.name.partition(":")[2], _import(settings).models
    if settings.library == "timm":
        published = models.get_pretrained_cfg(name)
        return Stated.of(published.to_dict()) if published else Stated()
    published = models.get_model_weights(name).DEFAULT.transforms()
    return Stated.of({"mean": published.mean, "std": published.std, "image_size": published.crop_size[0]})


def _import(settings: CustomModelSettings) -> Any:
    library = settings.library
    assert library is not None
    try:
        return importlib.import_module(library)
    except Exception as error:  # torchvision raises RuntimeError beside another version of PyTorch
        raise BakeoffError(
            f"model {settings.name!r} needs {library}, which cannot be imported ({type(error).__name__}: "
            f"{str(error)[:200]}); install one that fits PyTorch: pip install {library}"
        ) from error
