"""From model settings to a module: built-in models by name, users' own by import path."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor, nn

from bakeoff.errors import BakeoffError
from bakeoff.kernels.recording.hooks import contiguous_inputs, contiguous_output
from bakeoff.models.lenet5 import LeNet5
from bakeoff.models.lenet5_1998 import LeNet51998
from bakeoff.models.libraries import build_library_model
from bakeoff.models.pretrained import build_pretrained
from bakeoff.models.resnet import ResNet
from bakeoff.own_code import import_class
from bakeoff.study.settings.model import (
    CustomModelSettings,
    LeNet5Settings,
    LeNet51998Settings,
    ResNetSettings,
)

ModelSettings = LeNet5Settings | LeNet51998Settings | ResNetSettings | CustomModelSettings


def build_model(
    settings: ModelSettings,
    *,
    num_classes: int,
    image_size: int,
    num_channels: int = 3,
    seed: int,
    trained: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """A newly initialized model, with its pretrained weights if it has such; the same seed gives the same.

    Parameters
    ----------
    settings
        Of a recipe.
    num_classes, image_size, num_channels
        Of the data. A user's own model gets `num_channels` only if it is not 3.
    seed
        Of the random numbers.
    trained
        The weights of a finished run, if they will be loaded into the model: a file of pretrained weights is
        not read then.

    Raises
    ------
    BakeoffError
        If the class cannot be imported, does not accept these options, or fails.
    """
    # Layers draw their weights from torch's global generator; fork_rng leaves it as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = _construct(settings, num_classes, image_size, num_channels, trained)
        except BakeoffError:
            raise
        except Exception as error:  # whatever a user's model raises
            raise BakeoffError(f"model {settings.name!r} cannot be built: {error}") from error
    if not isinstance(model, nn.Module):
        raise BakeoffError(f"model {settings.name!r} is a {type(model).__name__}; expected a torch.nn.Module")
    return model


def _construct(
    settings: ModelSettings,
    num_classes: int,
    image_size: int,
    num_channels: int,
    trained: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    match settings:
        case LeNet5Settings():
            return LeNet5(
                num_classes,
                image_size,
                num_channels,
                batch_norm=settings.batch_norm,
                dropout=settings.dropout,
            )
        case LeNet51998Settings():
            return LeNet51998(num_classes, image_size, num_channels)
        case ResNetSettings():
            return ResNet(
                num_classes,
                num_channels,
                widths=settings.widths,
                blocks=settings.blocks,
                dropout=settings.dropout,
            )
        case CustomModelSettings():
            own = partial(_construct_custom, settings, num_channels)
            if settings.is_pretrained:
                return build_pretrained(settings, own, num_classes, image_size, num_channels, trained)
            return own(num_classes, image_size)


def _construct_custom(
    settings: CustomModelSettings, num_channels: int, num_classes: int, image_size: int
) -> nn.Module:
    if settings.library:
        model = build_library_model(settings, num_classes, num_channels)
    else:
        custom = import_class(settings.name, "model")
        for key in ("weights", "freeze", "head_lr_factor"):
            if getattr(settings, key) is not None and key in inspect.signature(custom).parameters:
                raise BakeoffError(
                    f"model {settings.name!r} has a parameter {key}, which is a key of Bakeoff's for "
                    "pretrained weights; rename the parameter"
                )
        channels = {} if num_channels == 3 else {"num_channels": num_channels}
        model = custom(num_classes=num_classes, image_size=image_size, **channels, **settings.options)
    if isinstance(model, nn.Module):
        _settle(model, image_size, num_channels)
    return model


def _settle(model: nn.Module, image_size: int, num_channels: int) -> None:
    """Let lazy layers see an image, and a model that needs it get its images channel by channel.

    Images are stored pixel by pixel (channels last), with which convolutions are faster and `view` fails.
    What else fails is reported by `check_model`.
    """
    training = model.training
    model.eval()
    with suppress(Exception), torch.no_grad():
        try:
            model(_images(2, image_size, num_channels))
        except RuntimeError as error:
            if "view size is not compatible" not in str(error):
                raise
            model.register_forward_pre_hook(contiguous_inputs)
            for module in model.modules():
                if isinstance(module, nn.Conv2d):
                    module.register_forward_hook(contiguous_output)
    model.train(training)


def _images(number: int, image_size: int, num_channels: int) -> Tensor:
    """Random images in the memory format of training."""
    shape = (number, num_channels, image_size, image_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return images.to(memory_format=torch.channels_last)


def check_model(settings: ModelSettings, *, num_classes: int, image_size: int, num_channels: int = 3) -> int:
    """Try the model on small batches; return its number of trainable parameters.

    Raises
    ------
    BakeoffError
        If the model fails on images of this size, has nothing to train, does not return finite logits
        [N, num_classes], or sets the seed itself.
    """
    model = build_model(
        settings, num_classes=num_classes, image_size=image_size, num_channels=num_channels, seed=0
    )
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = _images(4, image_size, num_channels)
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
    if isinstance(settings, CustomModelSettings):
        _check_habits(settings, model, logits.detach(), num_classes, image_size, num_channels)
    return num_parameters


def _check_habits(
    settings: CustomModelSettings,
    model: nn.Module,
    logits: Tensor,
    num_classes: int,
    image_size: int,
    num_channels: int,
) -> None:
    """What public code does and trains elsewhere, or seems to."""
    if logits.min() >= 0 and torch.allclose(logits.sum(dim=1), torch.ones(len(logits)), atol=1e-4):
        raise BakeoffError(
            f"model {settings.name!r} returns probabilities; expected logits: remove its softmax, which the "
            "loss applies itself"
        )
    model.eval()
    with torch.no_grad():
        images = _images(3, image_size, num_channels)
        together = model(images)
        alone = model(images[:1])
        if tuple(alone.shape) != (1, num_classes):
            raise BakeoffError(
                f"model {settings.name!r} returned {list(alone.shape)} for one image; expected "
                f"{[1, num_classes]}: squeeze() drops the batch too, squeeze(dim) or flatten(1) do not"
            )
        for other, what in (
            (model(images)[:1], "the same images twice"),
            (alone, "one image alone and in a batch"),
            (model(images.contiguous())[:1], "an image stored channel by channel and pixel by pixel"),
        ):
            if not torch.allclose(together[:1], other, rtol=0, atol=TOLERANCE * _size(together)):
                raise BakeoffError(
                    f"model {settings.name!r} returns different logits for {what} in evaluation mode; "
                    "expected logits that depend on the image alone"
                )
    if _sets_the_seed(settings, num_classes, image_size, num_channels):
        raise BakeoffError(
            f"model {settings.name!r} sets PyTorch's seed when it is built, so that every seed of the study "
            "would start from the same weights; remove torch.manual_seed from it"
        )


TOLERANCE = 1e-3
"""Relative to the largest logit; rounding differs between memory formats and batch sizes."""


def _size(logits: Tensor) -> float:
    return max(1.0, float(logits.abs().max()))


def _sets_the_seed(settings: ModelSettings, num_classes: int, image_size: int, num_channels: int) -> bool:
    """Whether the generator is in the same state after the model was built, whatever its state before."""
    after = []
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 2):
            torch.manual_seed(seed)
            _construct(settings, num_classes, image_size, num_channels)
            after.append(torch.get_rng_state())
    return torch.equal(*after)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
