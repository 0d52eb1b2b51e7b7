"""A training step: a batch's logits, loss and gradients, the optimizer's step, the average of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from bakeoff.kernels.plan import Plan, plan_for
from bakeoff.kernels.recording.capture import Captured
from bakeoff.training.parts.loss import Loss


class Passes:
    """Forward and backward passes of a model whose structure does not change.

    By PyTorch's autograd, or by a plan if kernels can compute all of it.

    Parameters
    ----------
    model
        Or its captured form. Its modes, hooks and parameters are inspected at the first batch of each shape.
    planned
        Whether plans may be used: gradients then lie in the same memory in each step, and parameters have to
        stay where they are, which Bakeoff's own optimizers leave so.
    """

    def __init__(self, model: nn.Module, *, planned: bool = True) -> None:
        self._model, self._planned = model, planned
        self._parameters = list(model.parameters())
        self._plans: dict[torch.Size, Plan | None] = {}

    def __call__(self, images_NCHW: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        """Logits [N, num_classes] and loss, without a graph; each parameter's `grad` is set.

        Parameters
        ----------
        images_NCHW
            Standardized images.
        loss
            Of this batch.
        """
        shape = images_NCHW.shape
        if not self._planned:
            return self._recorded(images_NCHW, loss)
        layers: nn.Module | None = self._model
        if isinstance(self._model, Captured) and self._plans.get(shape, True):
            # None where the user's code changed what was recorded, also within an epoch.
            layers = self._model.chain
        if shape not in self._plans:
            self._plans[shape] = plan_for(layers, images_NCHW) if layers is not None else None
        plan = self._plans[shape]
        if plan is None or layers is None or not plan.fits(images_NCHW):
            return self._recorded(images_NCHW, loss)
        logits = plan.forward(images_NCHW).clone()  # the next batch reuses the memory
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


Tensors = list[Tensor]


class Stepper:
    """Makes an optimizer's steps, bitwise equal to `optimizer.step()`; the state stays in the optimizer.

    For a small model `torch.optim` takes about as long to collect, check and group its tensors as to compute
    with them: 40 of 90 microseconds in a step of Adam for LeNet-5, and more in training, where the caches are
    cold. There `optimizer.step()` takes 0.65 to 0.84 ms instead of 0.37 to 0.49 on a busy machine, and an
    epoch 2 to 5 % longer; the function `torch.optim.adam.adam` with the same lists takes 0.46 to 0.61 ms.

    Parameters
    ----------
    optimizer
        Any optimizer. From the second step on, SGD, Adam and AdamW take the fast path if they have fused
        steps and one group of float32 parameters on the CPU, all with gradients. After loading a state into
        the optimizer, make a new Stepper.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._fused: Callable[[Tensors], None] | None = None

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters by their gradients."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if self._fused and len(gradients) == len(self._parameters):
            self._fused(gradients)
        else:
            self._optimizer.step()
            self._fused = _fused_step(self._optimizer, self._parameters)


def _fused_step(optimizer: torch.optim.Optimizer, parameters: Tensors) -> Callable[[Tensors], None] | None:
    """The optimizer's fused operation on its state; None if it has no state yet or no fused step."""
    group, *others = optimizer.param_groups
    on_cpu = all(one.dtype is torch.float32 and one.device.type == "cpu" for one in parameters)
    if others or not group.get("fused") or group.get("amsgrad") or not on_cpu:
        return None
    names: list[str]
    if isinstance(optimizer, torch.optim.SGD):
        names = ["momentum_buffer"] if group["momentum"] else []
    elif isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW):
        names = ["exp_avg", "exp_avg_sq", "step"]
    else:
        return None
    states = [optimizer.state.get(parameter, {}) for parameter in parameters]
    if any(state.get(name) is None for state in states for name in names):
        return None  # before the first step, or a parameter has not had a gradient yet
    buffers = [[state[name] for state in states] for name in names]
    if isinstance(optimizer, torch.optim.SGD):
        return lambda gradients: _step_sgd(group, parameters, gradients, *buffers)
    decoupled = isinstance(optimizer, torch.optim.AdamW) or group.get("decoupled_weight_decay")
    operation = torch._fused_adamw_ if decoupled else torch._fused_adam_
    return lambda gradients: _step_adam(operation, group, parameters, gradients, *buffers)


def _step_sgd(group: dict[str, Any], parameters: Tensors, gradients: Tensors, *momenta: Tensors) -> None:
    torch._fused_sgd_(
        parameters,
        gradients,
        *(momenta or [[]]),
        lr=group["lr"],
        momentum=group["momentum"],
        dampening=group["dampening"],
        weight_decay=group["weight_decay"],
        nesterov=group["nesterov"],
        maximize=group["maximize"],
        is_first_step=False,
    )


def _step_adam(
    operation: Callable[..., None],
    group: dict[str, Any],
    parameters: Tensors,
    gradients: Tensors,
    means: Tensors,
    squares: Tensors,
    steps: Tensors,
) -> None:
    beta1, beta2 = group["betas"]
    torch._foreach_add_(steps, 1)
    operation(
        parameters,
        gradients,
        means,
        squares,
        [],
        steps,
        lr=group["lr"],
        beta1=beta1,
        beta2=beta2,
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=group["maximize"],
    )


def build_average(model: nn.Module, decay: float) -> AveragedModel | None:
    """The average of a model's weights and buffers, to be updated after each step; None if `decay` is 0.

    After n steps its decay is min(decay, (1 + n) / (10 + n)), so that the first weights are soon forgotten.

    After B. Polyak, A. Juditsky: Acceleration of stochastic approximation by averaging, SIAM Journal on
    Control and Optimization 30(4), 1992, in the exponential form that is usual for neural networks.
    """
    if not decay:
        return None

    def update(
        average: list[Tensor] | tuple[Tensor, ...],
        current: list[Tensor] | tuple[Tensor, ...],
        steps: Tensor | int,
    ) -> None:
        if average[0].is_floating_point():
            step_decay = min(decay, (1 + int(steps)) / (10 + int(steps)))
            torch._foreach_lerp_(average, current, 1 - step_decay)
        else:
            torch._foreach_copy_(average, current)  # counters of batch norm

    function: Callable[..., None] = update
    return AveragedModel(model, multi_avg_fn=function, use_buffers=True)
