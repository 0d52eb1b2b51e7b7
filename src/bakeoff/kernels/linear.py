"""Flattening, dropout, and linear layers with ReLU and batch norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from bakeoff.kernels.library import Library
from bakeoff.kernels.operation import Backward, Call, Gradients, Norm, Output, Parameters

BYTES_OF_STATE = 5056
"""Of PyTorch's generator as the kernel knows it."""


@dataclass(frozen=True)
class Flatten:
    """[N, ...] -> [N, features]; no parameters."""

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        return shape[0], math.prod(shape[1:])

    def forward(self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool) -> Output:
        if inputs.is_contiguous():
            return inputs.flatten(1), (), ()
        output = torch.empty(inputs.shape, dtype=torch.float32)
        return output.flatten(1), (), (partial(output.copy_, inputs),)

    def backward(self, asked: Backward) -> Gradients:
        return asked.gradient.reshape(asked.inputs.shape), (), ()


@dataclass(frozen=True)
class Dropout:
    """`dropout(rows, probability, training=True)`, [N, features]; no parameters.

    The same numbers are drawn as by PyTorch, and the result has the same bits.
    """

    probability: float

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        return shape

    def forward(self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool) -> Output:
        """Keeps what the inputs are multiplied by."""
        noise, output = torch.empty_like(inputs), torch.empty(inputs.shape, dtype=torch.float32)
        multiply = partial(torch.mul, inputs, noise, out=output)
        return output, (noise,), (partial(_draw, library, noise, 1 - self.probability), multiply)

    def backward(self, asked: Backward) -> Gradients:
        (noise,) = asked.kept
        assert noise is not None
        of_inputs = torch.empty_like(asked.gradient)
        return of_inputs, (), (partial(torch.mul, asked.gradient, noise, out=of_inputs),)


def _draw(library: Library, noise: Tensor, passing: float) -> None:
    """Set to 1 / `passing` with this probability, else to 0, by the next numbers of PyTorch's generator."""
    if noise.is_contiguous() and _draws_as_pytorch(library):
        _draw_from(torch.default_generator, library, noise, passing)
    else:
        noise.bernoulli_(passing).div_(passing)


def _draw_from(generator: torch.Generator, library: Library, noise: Tensor, passing: float) -> None:
    state = generator.get_state()
    value = torch.ones((), dtype=torch.float32).div_(passing).item()
    library.bind("draw", noise.numel(), state, passing, value, noise)()
    generator.set_state(state)


@cache
def _draws_as_pytorch(library: Library) -> bool:
    """Whether the kernel draws what PyTorch does, which depends on PyTorch's version and on the processor."""
    ours, theirs = (torch.Generator().manual_seed(0) for _ in range(2))
    if ours.get_state().numel() != BYTES_OF_STATE:
        return False
    noise = torch.empty((2, 1001), dtype=torch.float32)
    for generator in (ours, theirs):  # one of the words of which numbers take two
        torch.rand(1, generator=generator, dtype=torch.float32)
    _draw_from(ours, library, noise[0], 0.75)
    noise[1].bernoulli_(0.75, generator=theirs).div_(0.75)
    return torch.equal(*noise) and torch.equal(ours.get_state(), theirs.get_state())


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

    def forward(self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool) -> Output:
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

    def backward(self, asked: Backward) -> Gradients:
        rows, weight, bias, *scale_and_shift = map(_contiguous, (asked.inputs, *asked.parameters))
        assert rows is not None
        assert weight is not None
        gradient = asked.gradient.contiguous()
        values, *statistics = asked.kept or (None,)
        of_norm: tuple[Tensor, ...] = ()
        calls: list[Call] = []
        if self.norm is not None:
            of_values = torch.empty_like(gradient)
            of_norm = torch.empty_like(weight[:, 0]), torch.empty_like(weight[:, 0])
            call = asked.library.bind(
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
        of_inputs = torch.empty_like(rows) if asked.needs_inputs else None
        of_weight = torch.empty_like(weight) if asked.needs_parameters else None
        of_bias = torch.empty_like(bias) if asked.needs_parameters and bias is not None else None
        call = asked.library.bind(
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
