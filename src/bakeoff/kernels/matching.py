"""Which layers of a model a chain takes: the rules, and the operations that stand for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bakeoff.kernels.convolutions import ConvNormPool, ConvPool
from bakeoff.kernels.linear import Flatten, Linear
from bakeoff.kernels.norm import Norm
from bakeoff.kernels.operation import Operation, Parameters

KERNEL_SIZES = ((3, 3), (5, 5))

Match = tuple[Operation | None, Parameters, int]
"""An operation (None for layers that change nothing), its parameters, and how many layers it stands for."""


def find_chain(
    layers: Sequence[nn.Module], start: int, shape: tuple[int, ...]
) -> tuple[list[tuple[Operation, Parameters]], int]:
    """The operations that stand for the layers from `start` on, and the first layer that they do not take.

    Parameters
    ----------
    layers
        One after another.
    shape
        Of the inputs, float32 on the CPU.
    """
    chain: list[tuple[Operation, Parameters]] = []
    while start < len(layers):
        match = _match(layers, start, shape)
        if match is None:
            break
        operation, parameters, number = match
        if operation:
            chain.append((operation, parameters))
            shape = operation.output_shape(shape, parameters)
        start += number
    return chain, start


def is_watched(layer: nn.Module) -> bool:
    """Whether something waits for a layer to be called."""
    return bool(
        layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks
    )


def _match(layers: Sequence[nn.Module], start: int, shape: tuple[int, ...]) -> Match | None:
    first = layers[start]
    kind = type(first)
    if is_watched(first):
        return None
    if kind is nn.Conv2d:
        return _match_conv(layers, start, shape)
    if kind is nn.Linear:
        return _match_linear(layers, start, shape)
    if kind is nn.Flatten and first.start_dim == 1 and first.end_dim == -1 and len(shape) > 1:
        return Flatten(), (), 1
    if kind is nn.Dropout and not first.training:
        return None, (), 1
    return None


def _follows(layers: Sequence[nn.Module], index: int, kind: type[nn.Module]) -> bool:
    return index < len(layers) and type(layers[index]) is kind and not is_watched(layers[index])


def _match_conv(layers: Sequence[nn.Module], start: int, shape: tuple[int, ...]) -> Match | None:
    """Conv2d, ReLU, BatchNorm2d if there is one, MaxPool2d."""
    conv, end = layers[start], start + 2
    assert isinstance(conv, nn.Conv2d)
    padding = _padding(conv)
    if padding is None or not _takes_conv(conv, padding, shape) or not _follows(layers, start + 1, nn.ReLU):
        return None
    norm = None
    parameters: Parameters = (conv.weight, conv.bias)
    if _follows(layers, end, nn.BatchNorm2d):
        layer = layers[end]
        norm = _norm(layer)
        if norm is None:
            return None
        parameters, end = (*parameters, layer.weight, layer.bias), end + 1  # type: ignore[arg-type]
    if not _follows(layers, end, nn.MaxPool2d) or not _takes_pool(layers[end]):
        return None
    end += 1
    # A convolution likes its input channels last; flattening wants it contiguous.
    channels_last = end < len(layers) and type(layers[end]) is not nn.Flatten
    operation = ConvNormPool(padding, channels_last, norm) if norm else ConvPool(padding, channels_last)
    return operation, parameters, end - start


def _match_linear(layers: Sequence[nn.Module], start: int, shape: tuple[int, ...]) -> Match | None:
    """Linear, ReLU if there is one, and then BatchNorm1d if there is one."""
    linear, end = layers[start], start + 1
    assert isinstance(linear, nn.Linear)
    takes = shape[1:] == (linear.in_features,) and _are_plain(linear.weight, linear.bias)
    if not takes:
        return None
    parameters: Parameters = (linear.weight, linear.bias)
    norm = None
    relu = _follows(layers, end, nn.ReLU)
    if relu:
        end += 1
        if _follows(layers, end, nn.BatchNorm1d):
            layer = layers[end]
            norm = _norm(layer)
            if norm and (shape[0] > 1 or not norm.training):  # else PyTorch says what is wrong
                parameters, end = (*parameters, layer.weight, layer.bias), end + 1  # type: ignore[arg-type]
            else:
                norm = None
    return Linear(relu, norm), parameters, end - start


def _takes_conv(conv: nn.Conv2d, padding: int, shape: tuple[int, ...]) -> bool:
    return (
        conv.kernel_size in KERNEL_SIZES
        and conv.stride == conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and _are_plain(conv.weight, conv.bias)
        and len(shape) == 4
        and shape[0] > 0
        and shape[1] == conv.in_channels
        and min(shape[2:]) + 2 * padding - conv.kernel_size[0] + 1 >= 2
    )


def _padding(conv: nn.Conv2d) -> int | None:
    """Zeros on each side; None if they are not the same everywhere or as many as the kernel is wide."""
    if isinstance(conv.padding, str):
        return (conv.kernel_size[0] - 1) // 2 if conv.padding == "same" else 0
    height, width = conv.padding
    return int(height) if height == width and int(height) < conv.kernel_size[0] else None


def _takes_pool(pool: nn.Module) -> bool:
    assert isinstance(pool, nn.MaxPool2d)
    return (
        pool.kernel_size in (2, (2, 2))
        and pool.stride in (2, (2, 2))
        and pool.padding in (0, (0, 0))
        and pool.dilation in (1, (1, 1))
        and not pool.ceil_mode
        and not pool.return_indices
    )


def _norm(layer: nn.Module) -> Norm | None:
    """The settings of a batch norm whose statistics may be written; None for any other."""
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    mean, variance, number = layer.running_mean, layer.running_var, layer.num_batches_tracked
    if (
        not layer.affine
        or not layer.track_running_stats
        or layer.momentum is None
        or mean is None
        or variance is None
        or number is None
        or not _are_plain(layer.weight, layer.bias)
        or not _is_plain_buffer(mean)
        or not _is_plain_buffer(variance)
    ):
        return None
    return Norm(mean, variance, number, layer.training, layer.momentum, layer.eps)


def _are_plain(weight: Tensor, bias: Tensor | None) -> bool:
    """Whether these are ordinary parameters, float32 on the CPU."""
    return all(
        parameter is None
        or (
            type(parameter) is nn.Parameter
            and parameter.dtype is torch.float32
            and parameter.device.type == "cpu"
        )
        for parameter in (weight, bias)
    )


def _is_plain_buffer(buffer: Tensor) -> bool:
    """Whether a kernel may write it."""
    return (
        type(buffer) is Tensor
        and buffer.dtype is torch.float32
        and buffer.device.type == "cpu"
        and buffer.is_contiguous()
    )
