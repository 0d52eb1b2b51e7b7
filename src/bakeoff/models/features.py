"""What a model gets in training and evaluation: images, or the features of a frozen backbone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.models.pretrained import Pretrained, is_in
from bakeoff.study.recipe import Recipe

BATCH_SIZE = 50
"""Images per call of a backbone: a fixed size, because the last bits of a sum can depend on it."""

NUM_KEPT = 2
"""Backbones whose features a process keeps for the next seeds."""

Rows = NDArray[Any]


@dataclass(frozen=True)
class Inputs:
    """What a model gets of each split.

    Attributes
    ----------
    train, val, test
        Images, uint8 [num_images, H, W, C], or features, float32 [num_images, num_features].
    tensors
        From rows of these arrays to the model's input, like `Preprocessing`.
    """

    train: Rows
    val: Rows
    test: Rows
    tensors: Callable[..., Tensor]


def model_inputs(recipe: Recipe, model: nn.Module, images: Inputs, fingerprint: str) -> Inputs:
    """The features of all images if only the head is trained and can be trained on them, else the images.

    The runs of a process share the features.

    Parameters
    ----------
    recipe, model
        Of the run.
    images
        Of the data.
    fingerprint
        Of the data.
    """
    if not (recipe.trains_on_features and isinstance(model, Pretrained)):
        return images
    key = _digest_of_backbone(model, f"{fingerprint} {images.tensors}")
    if key not in _kept:
        while len(_kept) >= NUM_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = _compute(model, images)
    return _kept[key] or images


_kept: dict[str, Inputs | None] = {}


def _compute(model: Pretrained, images: Inputs) -> Inputs | None:
    """None if the head does not take one row of features for each image."""
    splits = []
    for split in (images.train, images.val, images.test):
        features = []
        for start in range(0, len(split), BATCH_SIZE):
            batch = model.features(images.tensors(split[start : start + BATCH_SIZE]))
            if batch is None:
                return None
            features.append(batch)
        splits.append(torch.cat(features).numpy())
    train, val, test = splits
    return Inputs(train, val, test, _as_tensor)


def _as_tensor(features_NF: NDArray[np.float32], out: Tensor | None = None) -> Tensor:
    return torch.from_numpy(features_NF)


def _digest_of_backbone(model: Pretrained, images: str) -> str:
    """Of everything that determines the features, in one process: its code stays the same."""
    code = f"{type(model.model)} {model.model} {model.head}"
    digest = hashlib.sha256(f"{images} {model.image_size} {code}".encode())
    for name, tensor in model.model.state_dict().items():
        if not is_in(name, model.head):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
