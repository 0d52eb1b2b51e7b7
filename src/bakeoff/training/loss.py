"""The loss that is trained on, and its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bakeoff.training.augmentation.apply import Blend

ATEN = torch.ops.aten
BY_MEAN, NO_CLASS_LEFT_OUT = 1, -100
"""As these operations number them."""


@dataclass(frozen=True)
class Loss:
    """Mean cross-entropy of a batch; of blended images, that of both their labels by their shares.

    Attributes
    ----------
    labels_N
        int64.
    label_smoothing
        Share of the target that goes to all classes alike.
    blend
        How images were blended, if they were.
    """

    labels_N: Tensor
    label_smoothing: float = 0.0
    blend: Blend | None = None

    def __call__(self, logits_NK: Tensor) -> Tensor:
        """As PyTorch records it for its gradient."""
        loss = self._cross_entropy(logits_NK, self.labels_N)
        if self.blend is None:
            return loss
        other = self._cross_entropy(logits_NK, self.labels_N[self.blend.partners_N])
        return self.blend.share * loss + (1 - self.blend.share) * other

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def with_gradient(self, logits_NK: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and its gradient by the logits, which has their shape; neither with a graph.

        To the last bit as PyTorch's graph gives them. Building and walking one takes two to three times as
        long as the four operations that it consists of.
        """
        if self.label_smoothing or self.blend is not None:
            logits = logits_NK.detach().requires_grad_()
            loss = self(logits)
            (gradient,) = torch.autograd.grad(loss, logits)
            return loss.detach(), gradient
        labels, settings = self.labels_N, (None, BY_MEAN, NO_CLASS_LEFT_OUT)
        log_probability = ATEN._log_softmax.default(logits_NK, 1, False)
        loss, weight = ATEN.nll_loss_forward.default(log_probability, labels, *settings)
        one = loss.new_ones(())
        gradient = ATEN.nll_loss_backward.default(one, log_probability, labels, *settings, weight)
        kind = logits_NK.dtype
        return loss, ATEN._log_softmax_backward_data.default(gradient, log_probability, 1, kind)
