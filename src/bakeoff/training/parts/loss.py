"""The training loss and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.errors import BakeoffError
from bakeoff.own_code import import_callable
from bakeoff.study.settings.optimization import CrossEntropySettings, OwnLossSettings
from bakeoff.text import counted
from bakeoff.training.augmentation.apply import Blend

ATEN = torch.ops.aten
REDUCTION_MEAN, IGNORE_INDEX = 1, -100
"""Arguments of these operations: reduction and ignore_index."""


Criterion = Callable[[Tensor, Tensor], Tensor]

LossSettings = CrossEntropySettings | OwnLossSettings


def criterion(settings: LossSettings, class_weights_K: Tensor | None = None) -> Criterion:
    """The mean loss of a batch as a function of logits [N, num_classes] and labels [N].

    Parameters
    ----------
    settings
        Of the recipe.
    class_weights_K
        Of the images of each class in the mean, see `class_weights`; None for equal ones.

    Raises
    ------
    BakeoffError
        If a user's own function cannot be imported.
    """
    if isinstance(settings, OwnLossSettings):
        return partial(import_callable(settings.name, "loss"), **settings.options)
    if class_weights_K is not None:
        return partial(_weighted, class_weights_K, settings.label_smoothing)
    if settings.label_smoothing:
        return partial(nn.functional.cross_entropy, label_smoothing=settings.label_smoothing)
    return nn.functional.cross_entropy


def _weighted(weights_K: Tensor, smoothing: float, logits_NK: Tensor, labels_N: Tensor) -> Tensor:
    weights = weights_K.to(logits_NK)
    return nn.functional.cross_entropy(logits_NK, labels_N, weights, label_smoothing=smoothing)


def class_weights(settings: LossSettings, labels_N: NDArray[np.int64], num_classes: int) -> Tensor | None:
    """The weights of the classes in the loss, float32 [num_classes]; None if they are equal.

    Parameters
    ----------
    settings
        "balanced" gives each class N / (num_classes x its number of training images), as in scikit-learn.
    labels_N
        Of all training images.
    num_classes
        As many weights must be listed.

    Raises
    ------
    BakeoffError
        If there are more or fewer.
    """
    weights = None if isinstance(settings, OwnLossSettings) else settings.class_weights
    if weights is None:
        return None
    if weights == "balanced":
        counts = np.bincount(labels_N, minlength=num_classes)
        values = len(labels_N) / (num_classes * np.maximum(counts, 1))
    elif len(weights) == num_classes:
        values = np.array(weights)
    else:
        raise BakeoffError(
            f"loss.class_weights: found {counted(len(weights), 'weight')}, expected {num_classes}, one for "
            'each class in label order, or "balanced"'
        )
    return torch.from_numpy(values.astype(np.float32))


@dataclass(frozen=True)
class Loss:
    """Mean loss of a batch; for blended images, the weighted mean for both of their labels.

    Attributes
    ----------
    labels_N
        int64.
    criterion
        From logits [N, num_classes] and labels [N] to the mean loss.
    blend
        How the images were blended, if they were.
    """

    labels_N: Tensor
    criterion: Criterion = nn.functional.cross_entropy
    blend: Blend | None = None

    def __call__(self, logits_NK: Tensor) -> Tensor:
        """The loss as a tensor with a gradient graph."""
        loss = self.criterion(logits_NK, self.labels_N)
        if self.blend is None:
            return loss
        other = self.criterion(logits_NK, self.labels_N[self.blend.partners_N])
        return self.blend.share * loss + (1 - self.blend.share) * other

    def with_gradient(self, logits_NK: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and its gradient with respect to the logits, both without a graph.

        Bitwise equal to those of PyTorch's graph. Building and traversing the graph takes two to three times
        as long as the four operations that it consists of.
        """
        if self.criterion is not nn.functional.cross_entropy or self.blend is not None:
            logits = logits_NK.detach().requires_grad_()
            loss = self(logits)
            (gradient,) = torch.autograd.grad(loss, logits)
            return loss.detach(), gradient
        labels, settings = self.labels_N, (None, REDUCTION_MEAN, IGNORE_INDEX)
        log_probability = ATEN._log_softmax.default(logits_NK, 1, False)
        loss, weight = ATEN.nll_loss_forward.default(log_probability, labels, *settings)
        one = loss.new_ones(())
        gradient = ATEN.nll_loss_backward.default(one, log_probability, labels, *settings, weight)
        dtype = logits_NK.dtype
        return loss, ATEN._log_softmax_backward_data.default(gradient, log_probability, 1, dtype)
