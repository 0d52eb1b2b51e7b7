"""What a chain is made of: an operation that knows its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from bakeoff.kernels.library import Library

Parameters = Sequence[Tensor | None]
"""The tensors with a gradient of their own, in the operation's order; None for a bias that is not there."""

Kept = Sequence[Tensor | None]
"""What backward needs beside inputs and parameters."""


class Operation(Protocol):
    """One or several layers at once: float32, on the CPU, with no gradients recorded by PyTorch.

    Settings and running statistics are attributes; inputs and parameters are arguments.
    """

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        """Of inputs of this shape."""

    def forward(
        self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool
    ) -> tuple[Tensor, Kept]:
        """The output, and what backward needs if it shall be kept. Moves running statistics in training."""

    def backward(
        self,
        library: Library,
        inputs: Tensor,
        parameters: Parameters,
        kept: Kept,
        gradient: Tensor,
        needs_inputs: bool,
        needs_parameters: bool,
    ) -> tuple[Tensor | None, tuple[Tensor | None, ...]]:
        """Gradients of the inputs and of each parameter; those that are not needed may be None."""

    def reference(self, inputs: Tensor, parameters: Parameters, kept: Kept) -> Any:
        """The output by PyTorch's operations, which can be differentiated again; moves no statistics."""
