"""A batch's logits, loss and gradients: as PyTorch records them, or by a plan where kernels do all of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bakeoff.kernels.plan import Plan, plan_for
from bakeoff.training.loss import Loss


class Passes:
    """Forward and backward passes of a model while it stays as it is, apart from its numbers.

    Parameters
    ----------
    model
        Its modes, hooks and parameters are looked at when it first sees batches of a shape.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._parameters = list(model.parameters())
        self._plans: dict[torch.Size, Plan | None] = {}

    def __call__(self, images_NCHW: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        """Logits [N, num_classes] and loss, without a graph; each parameter's `grad` is set.

        Parameters
        ----------
        images_NCHW
            Standardised.
        loss
            Of this batch.
        """
        shape = images_NCHW.shape
        if shape not in self._plans:
            self._plans[shape] = plan_for(self._model, images_NCHW)
        plan = self._plans[shape]
        if plan is None or not plan.fits(images_NCHW):
            return self._recorded(images_NCHW, loss)
        logits = plan.forward(images_NCHW).clone()  # the next batch comes into the same memory
        value, of_logits = loss.with_gradient(logits)
        for parameter, gradient in zip(plan.parameters, plan.backward(of_logits), strict=True):
            parameter.grad = gradient
        return logits, value

    def _recorded(self, images: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        logits = self._model(images)
        value = loss(logits)
        for parameter in self._parameters:
            parameter.grad = None
        value.backward()  # type: ignore[no-untyped-call]
        return logits.detach(), value.detach()
