"""The training loss and its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bakeoff.training.augmentation.apply import Blend

ATEN = torch.ops.aten
REDUCTION_MEAN, IGNORE_INDEX = 1, -100
"""Arguments of these operations: reduction and ignore_index."""


@dataclass(frozen=True)
class Loss:
    """Mean cross-entropy of a batch; for blended images, the weighted mean for both of their labels.

    Attributes
    ----------
    labels_N
        int64.
    label_smoothing
        Share of the target that is distributed uniformly over all classes.
    blend
        How the images were blended, if they were.
    """

    labels_N: Tensor
    label_smoothing: float = 0.0
    blend: Blend | None = None

    def __call__(self, logits_NK: Tensor) -> Tensor:
        """The loss as a tensor with a gradient graph."""
        loss = self._cross_entropy(logits_NK, self.labels_N)
        if self.blend is None:
            return loss
        other = self._cross_entropy(logits_NK, self.labels_N[self.blend.partners_N])
        return self.blend.share * loss + (1 - self.blend.share) * other

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def with_gradient(self, logits_NK: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and its gradient with respect to the logits, both without a graph.

        Bitwise equal to those of PyTorch's graph. Building and traversing the graph takes two to three times
        as long as the four operations that it consists of.
        """
        if self.label_smoothing or self.blend is not None:
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
