"""Flattening and linear layers, with ReLU and batch norm: PyTorch's arithmetic, without its graph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bakeoff.kernels.library import Library
from bakeoff.kernels.norm import Norm
from bakeoff.kernels.operation import Kept, Parameters

_relu_backward = torch.ops.aten.threshold_backward.default
_norm_backward = torch.ops.aten.native_batch_norm_backward.default


@dataclass(frozen=True)
class Flatten:
    """[N, ...] -> [N, features]; no parameters."""

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        return shape[0], math.prod(shape[1:])

    def forward(
        self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool
    ) -> tuple[Tensor, Kept]:
        return inputs.flatten(1), ()

    def backward(
        self,
        library: Library,
        inputs: Tensor,
        parameters: Parameters,
        kept: Kept,
        gradient: Tensor,
        needs_inputs: bool,
    ) -> tuple[Tensor | None, tuple[Tensor | None, ...]]:
        return gradient.reshape(inputs.shape), ()

    def reference(self, inputs: Tensor, parameters: Parameters, kept: Kept) -> Tensor:
        return inputs.flatten(1)


@dataclass(frozen=True)
class Linear:
    """`batch_norm(relu(linear(rows, weight, bias)))`; parameters: weight, bias, scale and shift of a norm.

    Inputs are [N, in], weight [out, in].

    Attributes
    ----------
    relu
        Whether there is one.
    norm
        What normalises after it, if anything.
    """

    relu: bool
    norm: Norm | None

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        weight = parameters[0]
        assert weight is not None
        return shape[0], len(weight)

    def forward(
        self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool
    ) -> tuple[Tensor, Kept]:
        """Keeps the values after ReLU, and the norm's statistics."""
        weight, bias, *scale_and_shift = parameters
        assert weight is not None
        values = functional.linear(inputs, weight, bias)
        if self.relu:
            values.relu_()
        norm = self.norm
        if norm is None:
            return values, (values,) if self.relu else ()
        running = norm.running_mean, norm.running_variance
        scale, shift = scale_and_shift
        normalised, mean, inverse = torch.native_batch_norm(
            values, scale, shift, *running, norm.training, norm.momentum, norm.epsilon
        )
        norm.count_batch()
        # Those of training are moved by the next batch, and not read by backward.
        return normalised, (values, mean, inverse, *((None, None) if norm.training else running))

    def backward(
        self,
        library: Library,
        inputs: Tensor,
        parameters: Parameters,
        kept: Kept,
        gradient: Tensor,
        needs_inputs: bool,
    ) -> tuple[Tensor | None, tuple[Tensor | None, ...]]:
        weight, bias, *scale_and_shift = parameters
        assert weight is not None
        of_norm: tuple[Tensor | None, ...] = ()
        if self.norm is not None:
            values, mean, inverse, *running = kept
            gradient, *of_norm_ = _norm_backward(
                gradient.contiguous(),
                values,
                scale_and_shift[0],
                *running,
                mean,
                inverse,
                self.norm.training,
                self.norm.epsilon,
                [True, True, True],
            )
            of_norm = tuple(of_norm_)
        if self.relu:
            gradient = _relu_backward(gradient, kept[0], 0)
        of_inputs = gradient.mm(weight) if needs_inputs else None
        of_weight = gradient.t().mm(inputs)
        return of_inputs, (of_weight, gradient.sum(0) if bias is not None else None, *of_norm)

    def reference(self, inputs: Tensor, parameters: Parameters, kept: Kept) -> Tensor:
        weight, bias, *scale_and_shift = parameters
        assert weight is not None
        values = functional.linear(inputs, weight, bias)
        if self.relu:
            values = values.relu()
        if self.norm is None:
            return values
        mean, variance = kept[-2:]
        scale, shift = scale_and_shift
        return self.norm.reference(values, scale, shift, mean, variance)
