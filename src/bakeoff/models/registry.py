"""From model settings to a module: built-in models by name, users' own by import path."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bakeoff.errors import BakeoffError
from bakeoff.models.lenet5 import LeNet5
from bakeoff.models.lenet5_1998 import LeNet51998
from bakeoff.models.resnet import ResNet
from bakeoff.own_code import import_class
from bakeoff.study.settings.model import (
    CustomModelSettings,
    LeNet5Settings,
    LeNet51998Settings,
    ResNetSettings,
)

ModelSettings = LeNet5Settings | LeNet51998Settings | ResNetSettings | CustomModelSettings


def build_model(settings: ModelSettings, *, num_classes: int, image_size: int, seed: int) -> nn.Module:
    """A newly initialized model; the same seed gives the same weights.

    Raises
    ------
    BakeoffError
        If the class cannot be imported, does not accept these options, or fails.
    """
    # Layers draw their weights from torch's global generator; fork_rng leaves it as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = _construct(settings, num_classes, image_size)
        except BakeoffError:
            raise
        except Exception as error:  # whatever a user's model raises
            raise BakeoffError(f"model {settings.name!r} cannot be built: {error}") from error
    if not isinstance(model, nn.Module):
        raise BakeoffError(f"model {settings.name!r} is a {type(model).__name__}; expected a torch.nn.Module")
    return model


def _construct(settings: ModelSettings, num_classes: int, image_size: int) -> nn.Module:
    match settings:
        case LeNet5Settings():
            return LeNet5(num_classes, image_size, batch_norm=settings.batch_norm, dropout=settings.dropout)
        case LeNet51998Settings():
            return LeNet51998(num_classes, image_size)
        case ResNetSettings():
            return ResNet(
                num_classes, widths=settings.widths, blocks=settings.blocks, dropout=settings.dropout
            )
        case CustomModelSettings():
            custom = import_class(settings.name, "model")
            model: nn.Module = custom(num_classes=num_classes, image_size=image_size, **settings.options)
            return model


def check_model(settings: ModelSettings, *, num_classes: int, image_size: int) -> int:
    """Try the model on a small batch; return its number of trainable parameters.

    Raises
    ------
    BakeoffError
        If the model fails on images of this size, has nothing to train, or does not return finite logits
        [N, num_classes].
    """
    model = build_model(settings, num_classes=num_classes, image_size=image_size, seed=0)
    images = torch.randn((4, 3, image_size, image_size), generator=torch.Generator().manual_seed(0))
    expected = (4, num_classes)
    with torch.random.fork_rng(devices=[]):
        try:
            logits = model(images)
        except Exception as error:  # whatever a user's model raises
            raise BakeoffError(
                f"model {settings.name!r} failed on 4 images of {image_size} x {image_size}: {error}"
            ) from error
    if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
        found = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise BakeoffError(
            f"model {settings.name!r} returned {found}; expected logits of shape {list(expected)}"
        )
    if not torch.isfinite(logits).all():
        raise BakeoffError(f"model {settings.name!r} returned infinite or NaN logits for random images")
    num_parameters = count_parameters(model)
    if num_parameters == 0 or not logits.requires_grad:
        raise BakeoffError(f"model {settings.name!r} has nothing to train: no gradient reaches a parameter")
    return num_parameters


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
