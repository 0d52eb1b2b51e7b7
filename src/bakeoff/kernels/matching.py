"""Which layers of a model a chain takes: the rules, and the operations that stand for them.

They are looked at in each call, because hooks, modes and parameters may change at any time; hence the haste:
nn.Module takes many times as long to find a parameter as an attribute as its dictionary does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from bakeoff.kernels import graph
from bakeoff.kernels.convolutions import ConvNormPool, ConvPool
from bakeoff.kernels.library import is_aligned
from bakeoff.kernels.linear import Dropout, Flatten, Linear
from bakeoff.kernels.operation import Norm, Operation, Parameters
from bakeoff.kernels.region import Region

KERNEL_SIZES = ((3, 3), (5, 5))
LARGEST_KERNEL = 7
"""Of a convolution in a region."""

LARGEST_LINEAR = 2**20
"""Weights of a linear layer up to which the kernel is about as fast as PyTorch's product, or faster."""

Match = tuple[Operation | None, Parameters, int]
"""An operation (None for layers that change nothing), its parameters, and the index of the layer after."""


def find_chain(
    layers: Sequence[nn.Module], start: int, shape: tuple[int, ...]
) -> tuple[list[tuple[Operation, Parameters]], int]:
    """The operations that stand for the layers from `start` on, and the first layer that they do not take.

    A chain does not end with a Flatten, whose output would be a view, which nothing could change in place,
    nor with dropout, which is not told where a plan's gradient lies.

    Parameters
    ----------
    layers
        One after another.
    shape
        Of the inputs, float32 on the CPU.
    """
    chain: list[tuple[Operation, Parameters]] = []
    length, end = 0, start
    while start < len(layers):
        match = _match(layers, start, shape) or _match_region(layers, start, shape)
        if match is None:
            break
        operation, parameters, start = match
        if operation:
            chain.append((operation, parameters))
            shape = operation.output_shape(shape, parameters)
            if type(operation) not in (Flatten, Dropout):
                length, end = len(chain), start
    return chain[:length], end


LayerGraph = Sequence[tuple[nn.Module | None, tuple[int, ...]]]
"""Layers, None for a sum, and their inputs: 0 is the input of the graph, i the result of layer i - 1."""


def find_graph(
    layers: LayerGraph, shape: tuple[int, ...]
) -> tuple[list[tuple[Operation, Parameters]], list[nn.Module]] | None:
    """The operations that stand for a graph, and layers one after another at its end that they do not take.

    The first is a region, as large as can be; None if more than one value goes on from its end. It takes
    convolutions of up to 7 x 7 (the same stride and zero padding in both directions; one group, or one for
    each channel), batch norm, ReLU, sums, pooling of windows side by side or of the whole image, and Flatten
    after that; Identity, and dropout that drops nothing.

    Parameters
    ----------
    layers
        In an order in which they can be called. The last gives the result.
    shape
        Of the input, float32 on the CPU.
    """
    finder, taken = _RegionFinder(shape), 0
    while taken < len(layers) and finder.take(*layers[taken]):
        taken += 1
    left = [layer for layer, _ in layers[taken:] if layer is not None]
    followed = [inputs for _, inputs in layers[taken:]]
    if len(left) < len(followed) or followed != [(index,) for index in range(taken, len(layers))]:
        return None
    found = finder.region(bool(left) and type(left[0]) is not nn.Flatten)
    if found is None:
        return None
    chain, end = find_chain(left, 0, found[0].output_shape(shape, found[1]))
    return [found, *chain], left[end:]


def is_for_regions(layer: nn.Module) -> bool:
    """Whether regions take a layer with these settings, if shapes, types and hooks allow it."""
    if isinstance(layer, nn.Conv2d) and type(layer) is nn.Conv2d:
        return _conv(*_conv_settings(layer)) is not None
    if type(layer) in (nn.BatchNorm2d, nn.ReLU, nn.Identity):
        return True
    return _passes(layer) or _pool(layer, (2**20, 2**20)) is not None


def _passes(layer: nn.Module) -> bool:
    """Whether it is dropout that drops nothing."""
    return isinstance(layer, nn.Dropout) and type(layer) is nn.Dropout and not (layer.training and layer.p)


def _conv_settings(conv: nn.Conv2d) -> tuple[Any, ...]:
    settings = conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode
    return conv.in_channels, conv.out_channels, *settings


class _RegionFinder:
    """Takes layers one by one."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._images = shape[0] if len(shape) == 4 else 0
        self._sizes: list[tuple[int, ...]] = [shape[1:]]  # of the input, and of each node's result
        self._place = [0]  # of each layer's result among these
        self._nodes: list[graph.Node] = []
        self._norms: list[Norm] = []
        self._parameters: list[Tensor | None] = []
        self._flat = False
        self.convolutions = 0

    def take(self, layer: nn.Module | None, inputs: tuple[int, ...]) -> bool:
        """Whether it can be part of the region."""
        if not self._images or self._flat or not all(self._sizes[0]):
            return False
        places = tuple(self._place[index] for index in inputs)
        size = self._sizes[places[0]]
        if layer is None:
            if len(places) != 2 or size != self._sizes[places[1]]:
                return False
            return self._put(graph.Add(), places, size)
        kind = type(layer)
        if is_watched(layer):
            return False
        if kind is nn.Identity or _passes(layer):
            self._place.append(places[0])
            return True
        if kind is nn.Flatten and layer.start_dim == 1 and layer.end_dim == -1 and size[1:] == (1, 1):
            self._place.append(places[0])
            self._flat = places[0] == len(self._nodes) > 0
            return self._flat
        if kind is nn.ReLU:
            return self._put(graph.Relu(), places, size)
        if isinstance(layer, nn.Conv2d) and kind is nn.Conv2d:
            return self._take_conv(layer, places, size)
        if kind is nn.BatchNorm2d:
            norm, parameters = _norm(layer, size[0])
            if norm is None or (norm.training and self._images * size[1] * size[2] == 1):
                return False  # of one number, where PyTorch says what is wrong
            self._norms.append(norm)
            self._parameters.extend(parameters)
            return self._put(graph.BatchNorm(), places, size)
        found = _pool(layer, (size[1], size[2]))
        if found is None:
            return False
        what, pooled = found
        return self._put(what, places, (size[0], *pooled))

    def region(self, channels_last: bool = False) -> tuple[Region, Parameters] | None:
        """Of the layers taken; None if there is nothing to be computed, or more than kernels can join."""
        if not self._nodes or self._place[-1] != len(self._nodes):
            return None
        found, size = tuple(self._nodes), self._sizes[0]
        if graph.program(found, (size[0], size[1], size[2]), True) is None:
            return None
        return Region(found, tuple(self._norms), channels_last, self._flat), tuple(self._parameters)

    def _put(self, what: graph.What, places: tuple[int, ...], size: tuple[int, ...]) -> bool:
        self._nodes.append(graph.Node(what, places))
        self._sizes.append(size)
        self._place.append(len(self._nodes))
        return True

    def _take_conv(self, conv: nn.Conv2d, places: tuple[int, ...], size: tuple[int, ...]) -> bool:
        what = _conv(*_conv_settings(conv))
        ins = conv.in_channels // conv.groups
        parameters = _parameters(conv, conv.out_channels, ins, *conv.kernel_size)
        if what is None or parameters is None or size[0] != conv.in_channels:
            return False
        out = [
            (side + 2 * what.padding - kernel) // what.stride + 1
            for side, kernel in zip(size[1:], what.kernel, strict=True)
        ]
        if min(out) < 1:
            return False
        self._parameters.extend(parameters)
        self.convolutions += 1
        return self._put(what, places, (conv.out_channels, *out))


@cache
def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: str | tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    padding_mode: str,
) -> graph.Conv | None:
    """None for a convolution that regions do not take."""
    if max(kernel_size) > LARGEST_KERNEL or stride[0] != stride[1] or dilation != (1, 1):
        return None
    depthwise = groups == in_channels == out_channels > 1
    if (groups != 1 and not depthwise) or padding_mode != "zeros":
        return None
    if isinstance(padding, str):
        same = ((kernel_size[0] - 1) // 2, (kernel_size[1] - 1) // 2)
        padding = same if padding == "same" else (0, 0)
        if padding == same and not (kernel_size[0] % 2 and kernel_size[1] % 2):
            return None
    if padding[0] != padding[1] or not 0 <= padding[0] < min(kernel_size):
        return None
    return graph.Conv(out_channels, kernel_size, stride[0], padding[0], depthwise)


def _pool(layer: nn.Module, size: tuple[int, int]) -> tuple[graph.Pool, tuple[int, int]] | None:
    """A pool of windows side by side, and the size of its result."""
    kind = type(layer)
    if kind in (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d):
        if layer.output_size not in (1, (1, 1)) or getattr(layer, "return_indices", False):
            return None
        return graph.Pool(None, kind is nn.AdaptiveMaxPool2d), (1, 1)
    if isinstance(layer, nn.MaxPool2d) and kind is nn.MaxPool2d:
        if layer.return_indices or _pair(layer.dilation) != (1, 1):
            return None
    elif not isinstance(layer, nn.AvgPool2d) or kind is not nn.AvgPool2d or layer.divisor_override:
        return None
    kernel = _pair(layer.kernel_size)
    if kernel is None or _pair(layer.stride) != kernel or _pair(layer.padding) != (0, 0):
        return None
    more = (kernel[0] - 1, kernel[1] - 1) if layer.ceil_mode else (0, 0)
    pooled = (size[0] + more[0]) // kernel[0], (size[1] + more[1]) // kernel[1]
    if min(pooled) < 1:
        return None
    return graph.Pool(kernel, kind is nn.MaxPool2d, bool(layer.ceil_mode)), pooled


def _pair(value: int | tuple[int, ...]) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    return (value[0], value[1]) if isinstance(value, tuple) and len(value) == 2 else None


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
        return _flatten(), (), start + 1
    if _passes(first):
        return None, (), start + 1
    # Of rows alone: images lie otherwise than PyTorch's would, and other pixels would be dropped.
    if isinstance(first, nn.Dropout) and kind is nn.Dropout and len(shape) == 2 and first.p < 1:
        return None if first.inplace else (Dropout(first.p), (), start + 1)
    return None


def _match_region(layers: Sequence[nn.Module], start: int, shape: tuple[int, ...]) -> Match | None:
    """As many layers as regions take, if two convolutions or more are among them.

    A single one is left to PyTorch: the way to lanes and back costs what is gained.
    """
    if type(layers[start]) not in (nn.Conv2d, nn.BatchNorm2d):
        return None
    finder, end = _RegionFinder(shape), start
    while end < len(layers) and finder.take(layers[end], (end - start,)):
        end += 1
    if finder.convolutions < 2:
        return None
    channels_last = end < len(layers) and type(layers[end]) is not nn.Flatten
    found = finder.region(channels_last)
    return None if found is None else (*found, end)


def _follows(layers: Sequence[nn.Module], index: int, kind: type[nn.Module]) -> bool:
    return index < len(layers) and type(layers[index]) is kind and not is_watched(layers[index])


def _match_conv(layers: Sequence[nn.Module], start: int, shape: tuple[int, ...]) -> Match | None:
    """Conv2d, ReLU, BatchNorm2d if there is one, MaxPool2d."""
    conv, end = layers[start], start + 2
    assert isinstance(conv, nn.Conv2d)
    settings = conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode
    padding = _padding(conv.kernel_size, *settings)
    parameters = _parameters(conv, conv.out_channels, conv.in_channels, *conv.kernel_size)
    if padding is None or parameters is None or not _follows(layers, start + 1, nn.ReLU):
        return None
    shrunk = 2 * padding - conv.kernel_size[0] + 1
    fits = len(shape) == 4 and shape[0] > 0 and shape[1] == conv.in_channels and min(shape[2:]) + shrunk >= 2
    if not fits:
        return None
    norm = None
    if _follows(layers, end, nn.BatchNorm2d):
        norm, scale_and_shift = _norm(layers[end], conv.out_channels)
        if norm is None:
            return None
        parameters, end = parameters + scale_and_shift, end + 1
    if not _follows(layers, end, nn.MaxPool2d) or not _takes_pool(layers[end]):
        return None
    end += 1
    # A convolution likes its input channels last; flattening wants it contiguous.
    channels_last = end < len(layers) and type(layers[end]) is not nn.Flatten
    operation = ConvNormPool(padding, channels_last, norm) if norm else _conv_pool(padding, channels_last)
    return operation, parameters, end


def _match_linear(layers: Sequence[nn.Module], start: int, shape: tuple[int, ...]) -> Match | None:
    """Linear, ReLU if there is one, and then BatchNorm1d if there is one."""
    linear, end = layers[start], start + 1
    assert isinstance(linear, nn.Linear)
    parameters = _parameters(linear, linear.out_features, linear.in_features)
    size = linear.in_features * linear.out_features
    if parameters is None or shape[1:] != (linear.in_features,) or not 0 < size <= LARGEST_LINEAR:
        return None
    if shape[0] == 0:
        return None  # an empty batch has no address
    relu = _follows(layers, end, nn.ReLU)
    end += relu
    if relu and _follows(layers, end, nn.BatchNorm1d):
        norm, scale_and_shift = _norm(layers[end], linear.out_features)
        if norm and (shape[0] > 1 or not norm.training):  # else PyTorch says what is wrong
            return Linear(relu, norm), parameters + scale_and_shift, end + 1
    return _linear(relu, None), parameters, end


_conv_pool, _flatten, _linear = cache(ConvPool), cache(Flatten), cache(Linear)


@cache
def _padding(
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: str | tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
    padding_mode: str,
) -> int | None:
    """Zeros on each side; None for a convolution that the kernels do not take."""
    if kernel_size not in KERNEL_SIZES or not stride == dilation == (1, 1):
        return None
    if groups != 1 or padding_mode != "zeros":
        return None
    if isinstance(padding, str):
        return (kernel_size[0] - 1) // 2 if padding == "same" else 0
    height, width = padding
    return height if height == width and height < kernel_size[0] else None


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


def _norm(layer: nn.Module, channels: int) -> tuple[Norm | None, tuple[Tensor | None, ...]]:
    """The settings of a batch norm that a kernel may write, and scale and shift; None for any other.

    Where its length is not the number of channels, PyTorch says what is wrong.
    """
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    found = layer._buffers
    mean, variance, number = found["running_mean"], found["running_var"], found["num_batches_tracked"]
    parameters = _parameters(layer, channels) if layer.affine else None
    if not layer.track_running_stats or layer.momentum is None or parameters is None:
        return None, ()
    if mean is None or variance is None or number is None:
        return None, ()
    if not all(_takes(buffer, Tensor) and buffer.shape == (channels,) for buffer in (mean, variance)):
        return None, ()
    if not all(one is None or one.is_contiguous() for one in (mean, variance, *parameters)):
        return None, ()
    return Norm(mean, variance, number, layer.training, layer.momentum, layer.eps), parameters


def _parameters(layer: nn.Module, *shape: int) -> tuple[Tensor | None, ...] | None:
    """Weight of this shape and bias, if they are ordinary parameters, float32 on the CPU."""
    parameters = layer._parameters
    weight, bias = parameters.get("weight"), parameters.get("bias")
    if weight is None or weight.shape != shape or not _takes(weight, nn.Parameter):
        return None
    if bias is None:
        return weight, None
    takes_bias = _takes(bias, nn.Parameter) and bias.shape == shape[:1] and bias.is_contiguous()
    return (weight, bias) if takes_bias else None


def _takes(tensor: Tensor, kind: type) -> bool:
    """Whether a kernel may read its memory."""
    return type(tensor) is kind and tensor.dtype is torch.float32 and tensor.is_cpu and is_aligned(tensor)
