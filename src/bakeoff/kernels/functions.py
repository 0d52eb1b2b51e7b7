"""The kernels as differentiable functions of tensors: float32, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bakeoff.kernels.library import Library, Shape


def standardise(library: Library, pixels: NDArray[np.uint8], shift: Tensor, scale: Tensor) -> Tensor:
    """`(pixels - shift) * scale`, to the last bit as PyTorch computes it in two operations.

    Parameters
    ----------
    library
        Which kernels.
    pixels
        uint8 [..., places], in C order.
    shift, scale
        float32 [places].

    Returns
    -------
    Tensor
        float32 [..., places].
    """
    result = _floats(*pixels.shape)
    places = pixels.shape[-1]
    addresses = (pixels.ctypes.data, *(tensor.data_ptr() for tensor in (shift, scale, result)))
    library.functions.bakeoff_standardise(pixels.size // max(places, 1), places, *addresses)
    return result


def conv_relu_pool(
    library: Library,
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: int = 0,
    channels_last: bool = True,
) -> Tensor:
    """`max_pool2d(relu(conv2d(images, weight, bias, padding=padding)), 2)`.

    Parameters
    ----------
    library
        Which kernels.
    images
        float32 [N, C, H, W] on the CPU; `weight` [out, C, K, K] and `bias` [out] likewise, K 3 or 5.
    padding
        Zeros on each side, less than K.
    channels_last
        Memory format of the result.

    Returns
    -------
    Tensor
        float32 [N, out, (H + 2 * padding - K + 1) // 2, likewise W].
    """
    if not _needs_gradient(images, weight, bias):
        return _forward(library, images, weight, bias, padding, channels_last)[0]
    result: Tensor = _ConvReluPool.apply(  # type: ignore[no-untyped-call]
        library, images, weight, bias, padding, channels_last
    )
    return result


def conv_relu_norm_pool(
    library: Library,
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    norm: BatchNorm,
    padding: int = 0,
    channels_last: bool = True,
) -> Tensor:
    """`max_pool2d(batch_norm(relu(conv2d(images, weight, bias, padding=padding))), 2)`.

    Parameters and result as `conv_relu_pool`, and

    norm
        In training the running statistics are moved, as PyTorch does.
    """
    arguments = (library, images, weight, bias, norm.scale, norm.shift, norm, padding, channels_last)
    if not _needs_gradient(images, weight, bias, norm.scale, norm.shift):
        return _forward_norm(*arguments, keep=False)[0]
    pooled: Tensor = _ConvReluNormPool.apply(*arguments)  # type: ignore[no-untyped-call]
    return pooled


class BatchNorm(NamedTuple):
    """What normalises.

    Attributes
    ----------
    scale, shift
        float32 [out]: weight and bias of the batch norm.
    running_mean, running_variance
        float32 [out], contiguous.
    training
        Whether to normalise with the batch's mean and variance, and not with the running ones.
    momentum
        Of the running statistics.
    epsilon
        Is added to the variance.
    """

    scale: Tensor
    shift: Tensor
    running_mean: Tensor
    running_variance: Tensor
    training: bool
    momentum: float
    epsilon: float


def _needs_gradient(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _floats(*shape: int) -> Tensor:
    """Memory for a kernel to write, whatever PyTorch's default type is."""
    return torch.empty(shape, dtype=torch.float32)


def _dense(tensor: Tensor) -> tuple[Tensor, bool]:
    """The tensor, copied if it is neither, and whether it is channels last (or else contiguous)."""
    if tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor, True
    return tensor.contiguous(), False


def _describe(images: Tensor, weight: Tensor, padding: int) -> tuple[Tensor, Tensor, Shape]:
    """Dense images, dense weight, and the call's shape."""
    images, input_last = _dense(images)
    weight, weight_last = _dense(weight)
    out_channels, _, kernel, _ = weight.shape
    return images, weight, Shape(*images.shape, kernel, padding, out_channels, input_last, weight_last)


def _prepare(
    images: Tensor, weight: Tensor, padding: int, channels_last: bool
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


def _forward(
    library: Library, images: Tensor, weight: Tensor, bias: Tensor | None, padding: int, channels_last: bool
) -> tuple[Tensor, Tensor]:
    images, weight, shape, pooled = _prepare(images, weight, padding, channels_last)
    winners = torch.empty(pooled.numel() + 16, dtype=torch.uint8)  # whole vectors are read
    library.call("forward", shape, images, weight, bias, pooled, winners)
    return pooled, winners


class _ConvReluPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        library: Library,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        padding: int,
        channels_last: bool,
    ) -> Tensor:
        pooled, winners = _forward(library, images, weight, bias, padding, channels_last)
        ctx.save_for_backward(images, weight, bias, winners)
        ctx.library, ctx.padding = library, padding
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, bias, winners = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient shall have a gradient itself
            pooled = functional.conv2d(images, weight, bias, padding=ctx.padding).relu()
            gradients = _reference_gradients(
                functional.max_pool2d(pooled, 2), (images, weight, bias), ctx.needs_input_grad[1:4], gradient
            )
            return None, *gradients, None, None
        images, weight, shape = _describe(images, weight, ctx.padding)
        gradient, shape.gradient_last = _dense(gradient)
        of_images = torch.empty_like(images) if ctx.needs_input_grad[1] else None
        of_weight, of_bias = torch.empty_like(weight), _floats(len(weight))
        ctx.library.call("backward", shape, images, weight, gradient, winners, of_images, of_weight, of_bias)
        return None, of_images, of_weight, of_bias if bias is not None else None, None, None


def _forward_norm(
    library: Library,
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scale: Tensor,
    shift: Tensor,
    norm: BatchNorm,
    padding: int,
    channels_last: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The result, float32 [3, out] of mean, variance and 1 / standard deviation, and what backward needs."""
    images, weight, shape, pooled = _prepare(images, weight, padding, channels_last)
    lanes = -(-shape.images // 16) * 16
    statistics = _floats(3, shape.out_channels)
    conv_height, conv_width = _conv_size(shape)
    conv_size = lanes * shape.out_channels * conv_height * conv_width
    activations = _floats(conv_size) if keep or norm.training else None
    pooled_size = lanes * shape.out_channels * (conv_height // 2) * (conv_width // 2)
    winners = torch.empty(pooled_size, dtype=torch.uint8) if keep else None
    library.call(
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
    return pooled, statistics, activations, winners


class _ConvReluNormPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        library: Library,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        scale: Tensor,
        shift: Tensor,
        norm: BatchNorm,
        padding: int,
        channels_last: bool,
    ) -> Tensor:
        pooled, *kept = _forward_norm(
            library, images, weight, bias, scale, shift, norm, padding, channels_last, keep=True
        )
        ctx.save_for_backward(images, weight, bias, scale, shift, *kept)
        ctx.library, ctx.padding = library, padding
        ctx.training, ctx.epsilon = norm.training, norm.epsilon
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, bias, scale, shift, statistics, activations, winners = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient shall have a gradient itself
            activated = functional.conv2d(images, weight, bias, padding=ctx.padding).relu()
            mean, variance = (None, None) if ctx.training else (statistics[0], statistics[1])
            normalised = functional.batch_norm(
                activated, mean, variance, scale, shift, ctx.training, eps=ctx.epsilon
            )
            gradients = _reference_gradients(
                functional.max_pool2d(normalised, 2),
                (images, weight, bias, scale, shift),
                ctx.needs_input_grad[1:6],
                gradient,
            )
            return None, *gradients, None, None, None
        images, weight, shape = _describe(images, weight, ctx.padding)
        gradient, shape.gradient_last = _dense(gradient)
        of_images = torch.empty_like(images) if ctx.needs_input_grad[1] else None
        of_weight, (of_bias, of_scale, of_shift) = torch.empty_like(weight), _floats(3, len(weight))
        ctx.library.call(
            "backward_norm",
            shape,
            images,
            weight,
            scale,
            ctx.training,
            statistics,
            activations,
            winners,
            gradient,
            of_images,
            of_weight,
            of_bias,
            of_scale,
            of_shift,
        )
        of_bias = of_bias if bias is not None else None
        return None, of_images, of_weight, of_bias, of_scale, of_shift, None, None, None


def _reference_gradients(
    result: Tensor, inputs: Sequence[Tensor | None], needed: Sequence[bool], gradient: Tensor
) -> list[Tensor | None]:
    """Gradients that can be differentiated again, by PyTorch's own operations."""
    chosen = [tensor for tensor, wanted in zip(inputs, needed, strict=True) if wanted and tensor is not None]
    found = iter(torch.autograd.grad(result, chosen, gradient, create_graph=True))
    return [
        next(found) if wanted and tensor is not None else None
        for tensor, wanted in zip(inputs, needed, strict=True)
    ]
