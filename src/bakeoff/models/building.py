"""From model settings to a module: Bakeoff's own by name, a user's by import path."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from pathlib import Path

import torch
from torch import Tensor, nn

from bakeoff.errors import BakeoffError
from bakeoff.models.lenet5 import LeNet5
from bakeoff.study.recipe import CustomModelSettings, LeNet5Settings


def build_model(
    settings: LeNet5Settings | CustomModelSettings, *, num_classes: int, image_size: int, seed: int
) -> nn.Module:
    """A freshly initialised model; the same seed gives the same weights.

    Raises
    ------
    BakeoffError
        If the import path leads nowhere, or the class does not take these options or fails.
    """
    # Layers draw their weights from torch's global generator; fork_rng leaves it as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            if isinstance(settings, LeNet5Settings):
                return LeNet5(num_classes, image_size, batch_norm=settings.batch_norm)
            model = import_class(settings.name)(
                num_classes=num_classes, image_size=image_size, **settings.options
            )
        except BakeoffError:
            raise
        except Exception as error:  # whatever a user's model raises
            raise BakeoffError(f"model {settings.name!r} cannot be built: {error}") from error
    if not isinstance(model, nn.Module):
        raise BakeoffError(
            f"model {settings.name!r} gave a {type(model).__name__}; expected a torch.nn.Module"
        )
    return model


def import_class(path: str) -> type:
    """The class at `package.module:Class`.

    Raises
    ------
    BakeoffError
        If the module cannot be imported or has no such class.
    """
    module_name, _, class_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever a user's module raises; a script may exit
        raise BakeoffError(
            f"model {path!r}: cannot import {module_name!r} ({type(error).__name__}: {error}); "
            "it must be installed or lie in the current folder"
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = [name for name, value in vars(module).items() if isinstance(value, type)]
        raise BakeoffError(
            f"model {path!r}: {module_name} has no class {class_name!r}; "
            f"it has {', '.join(classes) or 'none'}"
        )
    return found


def check_model(settings: LeNet5Settings | CustomModelSettings, *, num_classes: int, image_size: int) -> int:
    """Number of trainable parameters, after a small batch went through the model and back.

    Raises
    ------
    BakeoffError
        If the model fails on images of this size, has nothing to train, or gives anything but finite logits
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
        raise BakeoffError(f"model {settings.name!r} gave {found}; expected logits of shape {list(expected)}")
    if not torch.isfinite(logits).all():
        raise BakeoffError(f"model {settings.name!r} gave logits that are not finite on random images")
    num_parameters = count_parameters(model)
    if num_parameters == 0 or not logits.requires_grad:
        raise BakeoffError(f"model {settings.name!r} has nothing to train: no gradient reaches a parameter")
    return num_parameters


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def source_digest(settings: LeNet5Settings | CustomModelSettings) -> str:
    """SHA-256 of the file that holds a user's model, or "" for a model of Bakeoff's own."""
    if isinstance(settings, LeNet5Settings):
        return ""
    file = inspect.getsourcefile(import_class(settings.name))
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
