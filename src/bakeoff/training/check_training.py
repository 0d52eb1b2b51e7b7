"""Before a study: one step of training as the runs make it, which shows what would fail in each of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from bakeoff.data.image_data import ImageData
from bakeoff.errors import BakeoffError
from bakeoff.kernels.recording.capture import Capture, capture
from bakeoff.models import check_model
from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.model import CustomModelSettings
from bakeoff.text import counted
from bakeoff.training.augmentation.apply import check_augmentation
from bakeoff.training.batches import split_into_batches
from bakeoff.training.parts.loss import Loss, class_weights, criterion
from bakeoff.training.parts.model import build_model_for
from bakeoff.training.parts.optimizers import build_optimizer, learning_rate
from bakeoff.training.preprocessing import Preprocessing

NUM_COMPARED = 8
"""Training images with which a model's captured form is compared with the model."""

MAX_PIXELS = 64 * 64
"""Of larger images, a quarter as many: the models are larger too."""


def captured_form(recipe: Recipe, model: nn.Module, data: ImageData, preprocessing: Preprocessing) -> Capture:
    """How the CPU calls a recipe's model: as it is, or by its layers, so that kernels can take them.

    The same for all runs of a recipe, also where one is resumed.

    Parameters
    ----------
    recipe
        Built-in models are called as they are.
    model
        With its initial weights; stays as it is.
    data, preprocessing
        The first training images are compared.
    """
    if not isinstance(recipe.model, CustomModelSettings) or recipe.trains_on_features:
        return Capture()
    number = NUM_COMPARED if data.image_size**2 <= MAX_PIXELS else NUM_COMPARED // 4
    return capture(model, preprocessing(np.array(data.train.images[:number])))


def check_training(recipe: Recipe, data: ImageData) -> str | None:
    """Try a recipe's model, augmentation, loss, optimizer and schedule on the first training images.

    Batches have the sizes of training, the largest and the smallest, so that batch normalization of a single
    image fails here.

    Returns
    -------
    str or None
        Why the model's forward cannot be captured for the CPU kernels, if it cannot.

    Raises
    ------
    BakeoffError
        If a part fails, or gives what cannot be trained with.
    """
    check_model(
        recipe.model, num_classes=data.num_classes, image_size=data.image_size, num_channels=data.num_channels
    )
    check_augmentation(recipe.augmentation, data.train.images[:4])
    learning_rate(recipe, 0, 1)
    class_weights(recipe.loss, data.train.labels, data.num_classes)
    sizes = [len(batch) for batch in split_into_batches(np.arange(len(data.train)), recipe.batch_size)]
    own = [part.name for part in (recipe.model, recipe.loss, recipe.optimizer) if ":" in part.name]
    to_try = own or min(sizes) == 1
    if not to_try and not isinstance(recipe.model, CustomModelSettings):
        return None
    model = build_model_for(recipe.model, data, seed=0)
    model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    preprocessing, loss_of = Preprocessing.of(data, model), criterion(recipe.loss)
    reason = captured_form(recipe, model, data, preprocessing).reason
    if not to_try:
        return reason
    optimizer = build_optimizer(recipe.optimizer, model)
    with torch.random.fork_rng(devices=[]):
        for size in sorted({min(sizes), max(sizes)}):
            images = preprocessing(np.array(data.train.images[:size]))
            labels = torch.from_numpy(np.array(data.train.labels[:size]))
            try:
                optimizer.zero_grad()
                loss = Loss(labels, loss_of)(model(images))
                _check_loss(loss, recipe.loss.name)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            except BakeoffError:
                raise
            except Exception as error:  # whatever a user's code, or PyTorch, raises
                hint = "; batch_size = 1 leaves batch normalization nothing to average" if size == 1 else ""
                if "closure" in str(error):
                    hint = "; optimizers whose step needs a closure are not supported"
                raise BakeoffError(
                    f"a training step with {counted(size, 'image')} failed "
                    f"({', '.join(own) or recipe.model.name}): {error}{hint}"
                ) from error
    return reason


def _check_loss(loss: object, name: str) -> None:
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        found = f"a tensor {list(loss.shape)}" if isinstance(loss, torch.Tensor) else type(loss).__name__
        raise BakeoffError(f"loss {name!r} returned {found}; expected one number, the mean over the batch")
    if not loss.requires_grad:
        raise BakeoffError(f"loss {name!r} has no gradient; compute it from the logits with PyTorch")
    if not torch.isfinite(loss).all():
        raise BakeoffError(f"loss {name!r} is {loss.item()} for the first images; expected a finite number")
