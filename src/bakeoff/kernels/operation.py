"""What a chain is made of: an operation that knows its gradient, and the settings of batch normalization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from torch import Tensor

from bakeoff.kernels.library import Library

Parameters = Sequence[Tensor | None]
"""The tensors with a gradient of their own, in the operation's order; None for a bias that is not there."""

Kept = Sequence[Tensor | None]
"""What backward needs beside inputs and parameters."""

Call = Callable[[], object]

Calls = Sequence[Call]
"""What is to be called, one after another; again for other numbers in the same memory."""

Output = tuple[Tensor, Kept, Calls]
"""Of an operation, what backward needs if it shall be kept, and the calls that fill them."""

Gradients = tuple[Tensor | None, tuple[Tensor | None, ...], Calls]
"""Of the inputs and of each parameter, and the calls that fill them; None where they are not needed."""


class Backward(NamedTuple):
    """What an operation goes back with: what it had and kept on its way forward, and what is asked for.

    `gradient` is that of the output; the needs say which gradients are asked for.
    """

    library: Library
    inputs: Tensor
    parameters: Parameters
    kept: Kept
    gradient: Tensor
    needs_inputs: bool
    needs_parameters: bool


class Operation(Protocol):
    """One or several layers at once: float32, on the CPU, with no gradients recorded by PyTorch.

    Settings and running statistics are attributes; inputs and parameters are arguments. Memory is laid out
    first and computed by calls after, so that a step can be repeated by its calls alone. Inputs, parameters
    and gradients that are not dense are copied when memory is laid out: what is to be repeated must be dense.
    They have at least one image, lie aligned, and have the shapes that belong to each other.
    """

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        """Of inputs of this shape."""

    def forward(self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool) -> Output:
        """The output, what backward needs if `keep`, and the calls: in training they move the statistics."""

    def backward(self, asked: Backward) -> Gradients:
        """The gradients that are asked for; the others may be None."""


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
