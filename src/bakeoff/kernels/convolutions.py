"""Convolution, ReLU, batch norm and pooling in one pass each, by the kernels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bakeoff.kernels.library import Library, Shape
from bakeoff.kernels.operation import Backward, Gradients, Norm, Output, Parameters


@dataclass(frozen=True)
class ConvPool:
    """`max_pool2d(relu(conv2d(images, weight, bias, padding=padding)), 2)`; parameters: weight, bias.

    Inputs are [N, C, H, W], in any layout; weight [out, C, K, K], K 3 or 5.

    Attributes
    ----------
    padding
        Zeros on each side, less than K.
    channels_last
        Memory format of the output.
    """

    padding: int
    channels_last: bool

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        return _pooled_shape(shape, parameters, self.padding)

    def forward(self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool) -> Output:
        weight, bias = parameters
        images, weight, shape, pooled = _prepare(inputs, weight, self.padding, self.channels_last)
        winners = torch.empty(pooled.numel() + 16, dtype=torch.uint8)  # whole vectors are read
        call = library.bind("forward", shape, images, weight, bias, pooled, winners)
        return pooled, (winners,), (call,)

    def backward(self, asked: Backward) -> Gradients:
        weight, bias = asked.parameters
        images, weight, shape = _describe(asked.inputs, weight, self.padding)
        gradient, shape.gradient_last = dense(asked.gradient)
        of_images = torch.empty_like(images) if asked.needs_inputs else None
        of_weight = torch.empty_like(weight) if asked.needs_parameters else None
        of_bias = _floats(shape.out_channels) if asked.needs_parameters else None
        call = asked.library.bind(
            "backward", shape, images, weight, gradient, *asked.kept, of_images, of_weight, of_bias
        )
        return of_images, (of_weight, of_bias if bias is not None else None), (call,)


@dataclass(frozen=True)
class ConvNormPool:
    """`max_pool2d(batch_norm(relu(conv2d(images, weight, bias, padding=padding))), 2)`.

    As `ConvPool`, and

    Attributes
    ----------
    norm
        What normalises; its scale and shift are parameters, after weight and bias.
    """

    padding: int
    channels_last: bool
    norm: Norm

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        return _pooled_shape(shape, parameters, self.padding)

    def forward(self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool) -> Output:
        """Keeps mean, variance and 1 / standard deviation [3, out], and activations and winners in lanes."""
        weight, bias, scale, shift = parameters
        norm = self.norm
        images, weight, shape, pooled = _prepare(inputs, weight, self.padding, self.channels_last)
        lanes = -(-shape.images // 16) * 16
        statistics = _floats(3, shape.out_channels)
        conv_height, conv_width = _conv_size(shape)
        conv_size = lanes * shape.out_channels * conv_height * conv_width
        activations = _floats(conv_size) if keep or norm.training else None
        pooled_size = lanes * shape.out_channels * (conv_height // 2) * (conv_width // 2)
        winners = torch.empty(pooled_size, dtype=torch.uint8) if keep else None
        call = library.bind(
            "forward_norm",
            shape,
            images,
            weight,
            bias,
            scale,
            shift,
            norm.running_mean,
            norm.running_variance,
            norm.momentum,
            norm.epsilon,
            norm.training,
            statistics,
            pooled,
            activations,
            winners,
        )
        return pooled, (statistics, activations, winners), (call, *norm.counting)

    def backward(self, asked: Backward) -> Gradients:
        weight, bias, scale, _ = asked.parameters
        images, weight, shape = _describe(asked.inputs, weight, self.padding)
        gradient, shape.gradient_last = dense(asked.gradient)
        of_images = torch.empty_like(images) if asked.needs_inputs else None
        of_weight = torch.empty_like(weight) if asked.needs_parameters else None
        of_bias, of_scale, of_shift = _floats(3, shape.out_channels)
        call = asked.library.bind(
            "backward_norm",
            shape,
            images,
            weight,
            scale,
            self.norm.training,
            *asked.kept,
            gradient,
            of_images,
            of_weight,
            of_bias,
            of_scale,
            of_shift,
        )
        of_bias = of_bias if asked.needs_parameters and bias is not None else None
        return of_images, (of_weight, of_bias, of_scale, of_shift), (call,)


def _floats(*shape: int) -> Tensor:
    """Memory for a kernel to write, whatever PyTorch's default type is."""
    return torch.empty(shape, dtype=torch.float32)


def dense(tensor: Tensor) -> tuple[Tensor, bool]:
    """The tensor, copied if it is neither, and whether it is channels last (or else contiguous)."""
    if tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor, True
    return tensor.contiguous(), False


def _pooled_shape(shape: tuple[int, ...], parameters: Parameters, padding: int) -> tuple[int, ...]:
    number, _, height, width = shape
    weight = parameters[0]
    assert weight is not None
    out, _, kernel, _ = weight.shape
    shrunk = 2 * padding - kernel + 1
    return number, out, (height + shrunk) // 2, (width + shrunk) // 2


def _describe(images: Tensor, weight: Tensor | None, padding: int) -> tuple[Tensor, Tensor, Shape]:
    """Dense images, dense weight, and the call's shape."""
    assert weight is not None
    images, input_last = dense(images)
    weight, weight_last = dense(weight)
    out_channels, _, kernel, _ = weight.shape
    return images, weight, Shape(*images.shape, kernel, padding, out_channels, input_last, weight_last)


def _prepare(
    images: Tensor, weight: Tensor | None, padding: int, channels_last: bool
) -> tuple[Tensor, Tensor, Shape, Tensor]:
    """Dense images, dense weight, the call's shape, and an empty result."""
    images, weight, shape = _describe(images, weight, padding)
    shape.output_last = channels_last
    height, width = _conv_size(shape)
    size = (shape.images, shape.out_channels, height // 2, width // 2)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    return images, weight, shape, torch.empty(size, dtype=torch.float32, memory_format=memory_format)


def _conv_size(shape: Shape) -> tuple[int, int]:
    """Height and width after the convolution."""
    shrunk = 2 * shape.padding - shape.kernel + 1
    return shape.height + shrunk, shape.width + shrunk
