"""Before a stack is trained: whether its models can be stacked, and how many fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bakeoff.data.image_data import ImageData
from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.optimization import OwnLossSettings
from bakeoff.training.stacked.model import StackedModel
from bakeoff.training.stacked.operations import Convolution
from bakeoff.training.stacked.parts import StackedParts, build_models

NUM_TRIED = 3
"""Seeds whose models are compared alone and in a stack."""

NUM_IMAGES = 16
TOLERANCE = 0.01
"""Relative to the largest logit; rounding causes far less, a different model far more."""

ON_A_CPU = 10
"""Seeds in a stack on a CPU, where stacking is for tests."""

SHARE_OF_MEMORY = 0.7
"""The share of a GPU's free memory that a stack may use."""


@dataclass(frozen=True)
class Stacking:
    """Whether and how the runs of a recipe can be stacked.

    Attributes
    ----------
    vectorized
        Whether they can be stacked; if not, they are trained one after another.
    reason
        Why they cannot.
    size
        Runs that are trained together.
    """

    vectorized: bool
    reason: str
    size: int


def try_stacking(
    recipe: Recipe,
    seeds: Sequence[int],
    data: ImageData,
    device: torch.device | str,
    convolution: Convolution = "grouped",
) -> Stacking:
    """Find out whether and how a recipe's runs can be stacked, with a few of their models and images."""
    device = torch.device(device)
    if isinstance(recipe.loss, OwnLossSettings):
        return Stacking(False, "its loss is not Bakeoff's", 1)
    try:
        reason = _difference(recipe, seeds[:NUM_TRIED], data, device)
    except Exception as error:  # whatever vmap, or a user's model, raises
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    if reason:
        return Stacking(False, reason, 1)
    return Stacking(True, "", _seeds_that_fit(recipe, seeds, data, device, convolution))


def _difference(recipe: Recipe, seeds: Sequence[int], data: ImageData, device: torch.device) -> str:
    """How the models differ between a stack and alone; "" if they do not."""
    models = build_models(recipe, seeds, data)
    number = min(NUM_IMAGES, len(data.train))
    pixels = torch.from_numpy(np.array(data.train.images[:number])).to(device)
    images = ((pixels.float() - 127.5) / 64).to(next(models[0].parameters()).dtype).movedim(-1, -3)
    stack = StackedModel(models, device)
    # A stack of one has its own template, with everything that is not in state dicts.
    alone = [StackedModel([model], device) for model in models]
    for training in (True, False):
        stacked_logits = _step_logits(stack, images, seeds, training)
        for index, single in enumerate(alone):
            (expected,) = _step_logits(single, images, seeds[index : index + 1], training)
            if not _are_close(stacked_logits[index], expected):
                return "its models differ in more than their weights and buffers"
    for index, single in enumerate(alone):
        for (name, own), (_, value) in zip(single.named_tensors(), stack.named_tensors(), strict=True):
            if not _are_close(value[index], own[0]):
                return f"{name} differs in a stack"
        single.eval()
        plain: nn.Module = single.template
        plain.load_state_dict(single.weights_of(0))
        if not _are_close(plain(images), single(images)[0]):
            return "its models have different logits in a stack"
    return ""


def _step_logits(stack: StackedModel, images: Tensor, seeds: Sequence[int], training: bool) -> Tensor:
    """Logits of a forward and backward pass."""
    stack.train(training)
    stack.seed_layers(seeds)
    logits: Tensor = stack(images.expand(stack.num_models, *images.shape))
    logits.square().mean().backward()  # type: ignore[no-untyped-call]
    return logits.detach()


def _are_close(actual: Tensor, expected: Tensor) -> bool:
    """Whether two tensors are equal up to rounding, relative to the largest value."""
    size = max(1.0, float(expected.detach().abs().max())) if expected.numel() else 1.0
    return actual.shape == expected.shape and bool(
        torch.allclose(actual.double(), expected.double(), rtol=0, atol=TOLERANCE * size)
    )


def _seeds_that_fit(
    recipe: Recipe, seeds: Sequence[int], data: ImageData, device: torch.device, convolution: Convolution
) -> int:
    """The number of runs that fit into memory together."""
    if device.type != "cuda":
        return ON_A_CPU
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    _try_a_step(StackedParts(recipe, seeds[:2], data, device, True, convolution))
    used = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    # The images, which all seeds share, are counted per seed: an overestimate, on the safe side.
    return max(1, int(SHARE_OF_MEMORY * free / (used / len(seeds[:2]))))


def _try_a_step(parts: StackedParts) -> None:
    """Make a step and an evaluation, without a user's own augmentation."""
    seeds, number = parts.seeds, min(parts.recipe.batch_size, len(parts.train_labels))
    parts.augmentation.start_epoch(1, [number])
    images = parts.train_images[:number].expand(len(seeds), -1, -1, -1, -1)
    labels = parts.train_labels[:number].expand(len(seeds), -1)
    parts.step(images, labels, 0, 0.0)
    parts.val_logits()
