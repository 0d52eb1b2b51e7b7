"""Before a study: one step of training as the runs make it, which shows what would fail in each of them."""

from __future__ import annotations

import numpy as np
import torch

from bakeoff.data.image_data import ImageData
from bakeoff.errors import BakeoffError
from bakeoff.models import build_model, check_model
from bakeoff.study.recipe import Recipe
from bakeoff.training.augmentation.apply import check_augmentation
from bakeoff.training.batches import split_into_batches
from bakeoff.training.parts.loss import Loss, class_weights, criterion
from bakeoff.training.parts.optimizers import build_optimizer, learning_rate
from bakeoff.training.preprocessing import Preprocessing


def check_training(recipe: Recipe, data: ImageData) -> None:
    """Try a recipe's model, augmentation, loss, optimizer and schedule on the first training images.

    Batches have the sizes of training, the largest and the smallest, so that batch normalization of a single
    image fails here.

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
    if not own and min(sizes) > 1:
        return
    model = build_model(
        recipe.model,
        num_classes=data.num_classes,
        image_size=data.image_size,
        num_channels=data.num_channels,
        seed=0,
    )
    model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = build_optimizer(recipe.optimizer, model)
    preprocessing, loss_of = Preprocessing.of(data, model), criterion(recipe.loss)
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
                    f"a training step with {size} images failed ({', '.join(own) or recipe.model.name}): "
                    f"{error}{hint}"
                ) from error


def _check_loss(loss: object, name: str) -> None:
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        found = f"a tensor {list(loss.shape)}" if isinstance(loss, torch.Tensor) else type(loss).__name__
        raise BakeoffError(f"loss {name!r} returned {found}; expected one number, the mean over the batch")
    if not loss.requires_grad:
        raise BakeoffError(f"loss {name!r} has no gradient; compute it from the logits with PyTorch")
    if not torch.isfinite(loss).all():
        raise BakeoffError(f"loss {name!r} is {loss.item()} for the first images; expected a finite number")
