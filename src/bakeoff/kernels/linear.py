"""Flattening, dropout, and linear layers with ReLU and batch norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from bakeoff.kernels.library import Library
from bakeoff.kernels.operation import Call, Calls, Kept, Norm, Parameters


@dataclass(frozen=True)
class Flatten:
    """[N, ...] -> [N, features]; no parameters."""

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        return shape[0], math.prod(shape[1:])

    def forward(
        self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool
    ) -> tuple[Tensor, Kept, Calls]:
        if inputs.is_contiguous():
            return inputs.flatten(1), (), ()
        output = torch.empty(inputs.shape, dtype=torch.float32)
        return output.flatten(1), (), (partial(output.copy_, inputs),)

    def backward(
        self,
        library: Library,
        inputs: Tensor,
        parameters: Parameters,
        kept: Kept,
        gradient: Tensor,
        needs_inputs: bool,
        needs_parameters: bool,
    ) -> tuple[Tensor | None, tuple[Tensor | None, ...], Calls]:
        return gradient.reshape(inputs.shape), (), ()


@dataclass(frozen=True)
class Dropout:
    """`dropout(rows, probability, training=True)`, [N, features]; no parameters.

    The same operations as PyTorch's: the same numbers are drawn, and the result has the same bits.
    """

    probability: float

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        return shape

    def forward(
        self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool
    ) -> tuple[Tensor, Kept, Calls]:
        """Keeps what the inputs are multiplied by."""
        noise, output = torch.empty_like(inputs), torch.empty(inputs.shape, dtype=torch.float32)
        passing = 1 - self.probability
        multiply = partial(torch.mul, inputs, noise, out=output)
        return output, (noise,), (partial(noise.bernoulli_, passing), partial(noise.div_, passing), multiply)

    def backward(
        self,
        library: Library,
        inputs: Tensor,
        parameters: Parameters,
        kept: Kept,
        gradient: Tensor,
        needs_inputs: bool,
        needs_parameters: bool,
    ) -> tuple[Tensor | None, tuple[Tensor | None, ...], Calls]:
        (noise,) = kept
        assert noise is not None
        of_inputs = torch.empty_like(gradient)
        return of_inputs, (), (partial(torch.mul, gradient, noise, out=of_inputs),)


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
        return shape[0], weight.shape[0]

    def forward(
        self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool
    ) -> tuple[Tensor, Kept, Calls]:
        """Keeps the values after ReLU, and mean, variance and 1 / standard deviation [3, out] of the norm."""
        rows, weight, bias, *scale_and_shift = map(_contiguous, (inputs, *parameters))
        assert rows is not None
        assert weight is not None
        (num_rows, num_inputs), num_outputs = rows.shape, weight.shape[0]
        values = torch.empty((num_rows, num_outputs), dtype=torch.float32)
        call = library.bind(
            "linear_forward", num_rows, num_inputs, num_outputs, self.relu, rows, weight, bias, values
        )
        norm = self.norm
        if norm is None:
            return values, (values,) if self.relu else (), (call,)
        normalised = torch.empty_like(values)
        statistics = torch.empty((3, num_outputs), dtype=torch.float32)
        normalise = library.bind(
            "rows_norm_forward",
            num_rows,
            num_outputs,
            values,
            *scale_and_shift,
            norm.running_mean,
            norm.running_variance,
            norm.momentum,
            norm.epsilon,
            norm.training,
            statistics,
            normalised,
        )
        return normalised, (values, statistics), (call, normalise, *norm.counting)

    def backward(
        self,
        library: Library,
        inputs: Tensor,
        parameters: Parameters,
        kept: Kept,
        gradient: Tensor,
        needs_inputs: bool,
        needs_parameters: bool,
    ) -> tuple[Tensor | None, tuple[Tensor | None, ...], Calls]:
        rows, weight, bias, *scale_and_shift = map(_contiguous, (inputs, *parameters))
        assert rows is not None
        assert weight is not None
        gradient = gradient.contiguous()
        values, *statistics = kept or (None,)
        of_norm: tuple[Tensor, ...] = ()
        calls: list[Call] = []
        if self.norm is not None:
            of_values = torch.empty_like(gradient)
            of_norm = torch.empty_like(weight[:, 0]), torch.empty_like(weight[:, 0])
            call = library.bind(
                "rows_norm_backward",
                *gradient.shape,
                values,
                scale_and_shift[0],
                self.norm.training,
                *statistics,
                gradient,
                of_values,
                *of_norm,
            )
            calls.append(call)
            gradient = of_values
        of_inputs = torch.empty_like(rows) if needs_inputs else None
        of_weight = torch.empty_like(weight) if needs_parameters else None
        of_bias = torch.empty_like(bias) if needs_parameters and bias is not None else None
        call = library.bind(
            "linear_backward",
            *rows.shape,
            weight.shape[0],
            rows,
            weight,
            values if self.relu else None,
            gradient,
            of_inputs,
            of_weight,
            of_bias,
        )
        return of_inputs, (of_weight, of_bias, *of_norm), (*calls, call)


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()
