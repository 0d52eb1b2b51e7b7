"""Batch normalisation's settings and running statistics, as operations take them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor

from bakeoff.kernels.operation import Calls


@dataclass(frozen=True)
class Norm:
    """What normalises; scale and shift are parameters of the operation.

    Attributes
    ----------
    running_mean, running_variance
        float32 [channels], contiguous.
    num_batches
        int64 [], counts the batches of training.
    training
        Whether to normalise with the batch's mean and variance, and not with the running ones.
    momentum
        Of the running statistics.
    epsilon
        Is added to the variance.
    """

    running_mean: Tensor
    running_variance: Tensor
    num_batches: Tensor
    training: bool
    momentum: float
    epsilon: float

    @property
    def counting(self) -> Calls:
        """To be called after the statistics were moved, if they were."""
        return (partial(self.num_batches.add_, 1),) if self.training else ()
