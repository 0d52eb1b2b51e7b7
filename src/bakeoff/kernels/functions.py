"""The kernels as differentiable functions of tensors: float32, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bakeoff.kernels.library import Library, Shape


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
    scale: Tensor,
    shift: Tensor,
    statistics: Tensor | None,
    epsilon: float,
    padding: int = 0,
    channels_last: bool = True,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d(batch_norm(relu(conv2d(images, weight, bias, padding=padding))), 2)`.

    Parameters as `conv_relu_pool`, and

    scale, shift
        float32 [out]: weight and bias of the batch norm.
    statistics
        float32 [2, out]: mean and variance to normalise with; None takes those of the batch.
    epsilon
        Is added to the variance.

    Returns
    -------
    pooled
        As `conv_relu_pool`.
    statistics
        float32 [2, out]: mean and variance (over n, not n - 1) that were used; no gradient.
    """
    arguments = (library, images, weight, bias, scale, shift, statistics, epsilon, padding, channels_last)
    if not _needs_gradient(images, weight, bias, scale, shift):
        pooled, used, *_ = _forward_norm(*arguments, keep=False)
        return pooled, used[:2]
    pooled, used = _ConvReluNormPool.apply(*arguments)  # type: ignore[no-untyped-call]
    return pooled, used[:2]


def _needs_gradient(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _dense(tensor: Tensor) -> tuple[Tensor, bool]:
    """The tensor, copied if it is neither, and whether it is channels last (or else contiguous)."""
    if tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor, True
    return tensor.contiguous(), False


def _prepare(
    images: Tensor, weight: Tensor, padding: int, channels_last: bool
) -> tuple[Tensor, Shape, Tensor]:
    """Dense images, the call's shape, and an empty result."""
    images, input_last = _dense(images)
    num_images, channels, height, width = images.shape
    out_channels, _, kernel, _ = weight.shape
    shape = Shape(
        num_images, channels, height, width, kernel, padding, out_channels, input_last, channels_last, 0
    )
    size = (num_images, out_channels, *((n + 2 * padding - kernel + 1) // 2 for n in (height, width)))
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    return images, shape, torch.empty(size, memory_format=memory_format)


def _conv_size(shape: Shape) -> tuple[int, int]:
    """Height and width after the convolution."""
    shrunk = 2 * shape.padding - shape.kernel + 1
    return shape.height + shrunk, shape.width + shrunk


def _forward(
    library: Library, images: Tensor, weight: Tensor, bias: Tensor | None, padding: int, channels_last: bool
) -> tuple[Tensor, Tensor]:
    images, shape, pooled = _prepare(images, weight, padding, channels_last)
    winners = torch.empty(pooled.numel() + 16, dtype=torch.int32)  # whole vectors are read
    library.call("forward", shape, images, weight.contiguous(), bias, pooled, winners)
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
        images, shape, _ = _prepare(images, weight, ctx.padding, False)
        gradient, shape.gradient_last = _dense(gradient)
        weight = weight.contiguous()
        of_images = torch.empty_like(images) if ctx.needs_input_grad[1] else None
        of_weight, of_bias = torch.empty_like(weight), torch.empty(len(weight))
        ctx.library.call("backward", shape, images, weight, gradient, winners, of_images, of_weight, of_bias)
        return None, of_images, of_weight, of_bias if bias is not None else None, None, None


def _forward_norm(
    library: Library,
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scale: Tensor,
    shift: Tensor,
    statistics: Tensor | None,
    epsilon: float,
    padding: int,
    channels_last: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    images, shape, pooled = _prepare(images, weight, padding, channels_last)
    lanes = -(-len(images) // 16) * 16
    used = torch.empty(3, len(weight))
    if statistics is not None:
        used[:2] = statistics
    conv_height, conv_width = _conv_size(shape)
    training = statistics is None
    activations = torch.empty(lanes * len(weight) * conv_height * conv_width) if keep or training else None
    winners = torch.empty(lanes * pooled[0].numel(), dtype=torch.int32) if keep else None
    library.call(
        "forward_norm",
        shape,
        images,
        weight.contiguous(),
        bias,
        scale,
        shift,
        epsilon,
        training,
        used,
        pooled,
        activations,
        winners,
    )
    return pooled, used, activations, winners


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
        statistics: Tensor | None,
        epsilon: float,
        padding: int,
        channels_last: bool,
    ) -> tuple[Tensor, Tensor]:
        pooled, used, activations, winners = _forward_norm(
            library,
            images,
            weight,
            bias,
            scale,
            shift,
            statistics,
            epsilon,
            padding,
            channels_last,
            keep=True,
        )
        ctx.mark_non_differentiable(used)
        ctx.save_for_backward(images, weight, bias, scale, shift, used, activations, winners)
        ctx.library, ctx.padding, ctx.epsilon = library, padding, epsilon
        ctx.training = statistics is None
        return pooled, used

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, bias, scale, shift, used, activations, winners = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient shall have a gradient itself
            activated = functional.conv2d(images, weight, bias, padding=ctx.padding).relu()
            mean, variance = (None, None) if ctx.training else (used[0], used[1])
            normalised = functional.batch_norm(
                activated, mean, variance, scale, shift, ctx.training, eps=ctx.epsilon
            )
            gradients = _reference_gradients(
                functional.max_pool2d(normalised, 2),
                (images, weight, bias, scale, shift),
                ctx.needs_input_grad[1:6],
                gradient,
            )
            return None, *gradients, None, None, None, None
        images, shape, _ = _prepare(images, weight, ctx.padding, False)
        gradient, shape.gradient_last = _dense(gradient)
        weight = weight.contiguous()
        of_images = torch.empty_like(images) if ctx.needs_input_grad[1] else None
        of_weight, (of_bias, of_scale, of_shift) = torch.empty_like(weight), torch.empty(3, len(weight))
        ctx.library.call(
            "backward_norm",
            shape,
            images,
            weight,
            scale,
            ctx.training,
            used,
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
        return None, of_images, of_weight, of_bias, of_scale, of_shift, None, None, None, None


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
