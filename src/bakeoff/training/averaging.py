"""Weight averaging: an exponential moving average of weights and buffers over the steps of a run.

After B. Polyak, A. Juditsky: Acceleration of stochastic approximation by averaging, SIAM Journal on Control
and Optimization 30(4), 1992, in the exponential form that is usual for neural nets.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def build_average(model: nn.Module, decay: float) -> AveragedModel | None:
    """The average of a model's weights and buffers, to be updated after each step; None if `decay` is 0.

    After n steps it keeps min(decay, (1 + n) / (10 + n)) of itself, and so soon forgets the first weights.
    """
    if not decay:
        return None

    def update(
        average: list[Tensor] | tuple[Tensor, ...],
        current: list[Tensor] | tuple[Tensor, ...],
        steps: Tensor | int,
    ) -> None:
        if average[0].is_floating_point():
            keep = min(decay, (1 + int(steps)) / (10 + int(steps)))
            torch._foreach_lerp_(average, current, 1 - keep)
        else:
            torch._foreach_copy_(average, current)  # counters of batch norm

    function: Callable[..., None] = update
    return AveragedModel(model, multi_avg_fn=function, use_buffers=True)
