"""A region of a net as a graph, and what of it is computed, stored and handed on in which order.

Convolutions, pools and the way in and out are layers of the kernels: passes over tensors. Batch norm, ReLU
and sums are none: each layer's input is a `Value`, up to two tensors, normalised or not, added, then perhaps
ReLU, which the layer makes row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple


@dataclass(frozen=True)
class Conv:
    """`conv2d` with zeros around; depthwise: a filter for each channel; parameters: weight, bias."""

    out_channels: int
    kernel: tuple[int, int]
    stride: int
    padding: int
    depthwise: bool = False


@dataclass(frozen=True)
class BatchNorm:
    """Parameters: scale, shift."""


@dataclass(frozen=True)
class Relu:
    """No parameters, as those that follow."""


@dataclass(frozen=True)
class Add:
    """The sum of two."""


@dataclass(frozen=True)
class Pool:
    """Of windows side by side, all of the image where `kernel` is None.

    Attributes
    ----------
    maximum
        Instead of the mean.
    cut_off
        Whether there are smaller windows at the end (PyTorch's `ceil_mode`), or pixels that are left out.
    """

    kernel: tuple[int, int] | None
    maximum: bool
    cut_off: bool = False


What = Conv | BatchNorm | Relu | Add | Pool


class Node(NamedTuple):
    """What is done with earlier results: 0 is the input of the graph, i the result of node i - 1."""

    what: What
    inputs: tuple[int, ...]


Graph = tuple[Node, ...]
"""In an order in which they can be computed; the last gives the result."""

Size = tuple[int, int, int]
"""Channels, height, width."""


@dataclass
class Buffer:
    """Memory, in floats for each image of whole groups, and when backward starts and ends to need it."""

    size: int
    first: int = 0
    last: int = 0
    place: int = 0


@dataclass(eq=False)
class Addend:
    """A tensor, normalised where `norm` says by which; `origin` if it is a value that was stored."""

    tensor: Buffer
    norm: int | None = None
    origin: Value | None = None
    layer: Layer | None = None


@dataclass(eq=False)
class Value:
    """What layers read.

    Attributes
    ----------
    addends
        One or two.
    relu
        Of their sum.
    size
        Of it.
    stored
        Where it is kept as a tensor; None where each layer makes it anew.
    layers
        That read it, in order.
    parts
        Values that it, stored, is an addend of.
    gradient
        Of the sum of the addends.
    """

    addends: list[Addend]
    relu: bool
    size: Size
    stored: Buffer | None = None
    layers: list[Layer] = field(default_factory=list)
    parts: list[Value] = field(default_factory=list)
    gradient: Buffer = field(default_factory=lambda: Buffer(0))

    @property
    def is_tensor(self) -> bool:
        """Whether it is nothing but a tensor."""
        return len(self.addends) == 1 and not self.relu and self.addends[0].norm is None


@dataclass(eq=False)
class Layer:
    """A pass of the kernels.

    Attributes
    ----------
    kind
        Of the function that computes it: enter, conv, pool, copy, leave.
    source
        What it reads; None where it enters.
    size
        Of what it computes.
    result
        Where to; None where it leaves, or only stores its source.
    relu, norm
        What is done with the result: ReLU before it is stored, the statistics of this batch norm.
    what, parameters
        The node's, and the index of its first parameter.
    """

    kind: str
    source: Value | None
    size: Size
    result: Buffer | None
    what: Conv | Pool | None = None
    parameters: int = 0
    relu: bool = False
    norm: int | None = None
    step: int = 0
    stores: bool = False
    added: list[Buffer] = field(default_factory=list)


@dataclass(frozen=True)
class Program:
    """Layers in the order of the forward pass, and how much memory both passes take.

    Attributes
    ----------
    layers
        The first enters, the last leaves.
    norms
        Of each batch norm: channels, and index of its first parameter.
    forward, backward
        Floats for each image.
    value_of
        By a layer's step, the value that its result is an addend of.
    """

    layers: tuple[Layer, ...]
    norms: tuple[tuple[int, int], ...]
    forward: int
    backward: int
    value_of: dict[int, Value]


@cache
def program(graph: Graph, size: Size, keep: bool) -> Program | None:
    """How to compute a graph for inputs of this size; None if it has more branches than kernels can join.

    Parameters
    ----------
    graph
        Nodes that fit each other and the size.
    size
        Of an image.
    keep
        Whether there will be a backward pass; else memory is used again as soon as possible.
    """
    builder = _Builder(graph, size)
    layers = builder.layers
    if not _place_gradients(layers):
        return None
    forward, backward = _place(builder.tensors, layers, keep)
    value_of = {
        addend.layer.step: layer.source
        for layer in layers
        if layer.source
        for addend in layer.source.addends
        if addend.layer
    }
    return Program(tuple(layers), tuple(builder.norms), forward, backward, value_of)


class _Builder:
    """Layers and values of a graph."""

    def __init__(self, graph: Graph, size: Size) -> None:
        self.layers: list[Layer] = []
        self.tensors: list[Buffer] = []
        self.norms: list[tuple[int, int]] = []
        self.parameters = 0
        uses = [0] * (len(graph) + 1)
        for node in graph:
            for index in node.inputs:
                uses[index] += 1
        values = [self._layer(Layer("enter", None, size, self._tensor(size)))]
        for what, inputs in graph:
            given = [(values[index], uses[index] == 1) for index in inputs]
            if isinstance(what, Conv):
                values.append(self._conv(what, given[0][0]))
            elif isinstance(what, Pool):
                values.append(self._pool(what, given[0][0]))
            elif isinstance(what, BatchNorm):
                values.append(self._norm(*given[0]))
            elif isinstance(what, Relu):
                values.append(self._relu(*given[0]))
            else:
                values.append(self._add(given))
            if isinstance(what, Conv | BatchNorm):
                self.parameters += 2
        last = values[-1]
        self._layer(Layer("leave", last, last.size, None))

    def _tensor(self, size: Size) -> Buffer:
        self.tensors.append(Buffer(size[0] * size[1] * size[2]))
        return self.tensors[-1]

    def _layer(self, layer: Layer) -> Value:
        """The value of its result."""
        layer.step = len(self.layers)
        self.layers.append(layer)
        if layer.source:
            layer.source.layers.append(layer)
        addends = [Addend(layer.result, layer=layer)] if layer.result else []
        return Value(addends, False, layer.size)

    def _conv(self, what: Conv, source: Value) -> Value:
        _, height, width = source.size
        shrunk = 2 * what.padding
        out = (
            what.out_channels,
            (height + shrunk - what.kernel[0]) // what.stride + 1,
            (width + shrunk - what.kernel[1]) // what.stride + 1,
        )
        return self._layer(Layer("conv", source, out, self._tensor(out), what, self.parameters))

    def _pool(self, what: Pool, source: Value) -> Value:
        channels, height, width = source.size
        kernel = what.kernel or (height, width)
        more = (kernel[0] - 1, kernel[1] - 1) if what.cut_off else (0, 0)
        out = (channels, (height + more[0]) // kernel[0], (width + more[1]) // kernel[1])
        return self._layer(Layer("pool", source, out, self._tensor(out), Pool(kernel, what.maximum)))

    def _norm(self, value: Value, alone: bool) -> Value:
        layer = value.addends[0].layer if len(value.addends) == 1 else None
        if not alone or layer is None or layer.norm is not None or layer.kind == "enter":
            copy = self._layer(Layer("copy", value, value.size, self._tensor(value.size)))
            return self._norm(copy, True)
        layer.relu = value.relu
        layer.norm = len(self.norms)
        self.norms.append((value.size[0], self.parameters))
        return Value([Addend(value.addends[0].tensor, layer.norm, layer=layer)], False, value.size)

    def _relu(self, value: Value, alone: bool) -> Value:
        if value.relu:
            return value if alone else self._layer(Layer("copy", value, value.size, self._tensor(value.size)))
        made = Value(value.addends if alone else [], True, value.size)
        if not alone:
            made.addends = [self._stored(value, made)]
        self._move_parts(value, made)
        return made

    def _add(self, given: Sequence[tuple[Value, bool]]) -> Value:
        made = Value([], False, given[0][0].size)
        for value, alone in given:
            if alone and len(value.addends) == 1 and not value.relu:
                made.addends.append(value.addends[0])
                self._move_parts(value, made)
            else:
                made.addends.append(self._stored(value, made))
        return made

    def _stored(self, value: Value, part: Value) -> Addend:
        """The value as an addend of another."""
        if value.stored is None:
            value.stored = value.addends[0].tensor if value.is_tensor else self._tensor(value.size)
        if not value.layers:
            self._layer(Layer("copy", value, value.size, None))
        value.parts.append(part)
        return Addend(value.stored, origin=value)

    def _move_parts(self, value: Value, made: Value) -> None:
        """Where a value goes into another, what it was made of belongs to that."""
        for addend in value.addends:
            origin = addend.origin
            if origin and value in origin.parts:
                origin.parts[origin.parts.index(value)] = made


def _place_gradients(layers: Sequence[Layer]) -> bool:
    """Says of each layer which gradients it adds; False if that is too many for one."""
    values = {id(layer.source): layer.source for layer in layers if layer.source}
    for value in values.values():
        if len(value.layers) > 1 and value.stored is None:
            # Cheaper to read than to be made again.
            if not value.is_tensor:
                value.stored = Buffer(value.size[0] * value.size[1] * value.size[2])
        elif len(value.addends) > 1 and value.relu and value.stored is None:
            value.stored = Buffer(value.size[0] * value.size[1] * value.size[2])
        value.gradient = Buffer(value.size[0] * value.size[1] * value.size[2])
    for value in values.values():
        first, *_ = value.layers
        for layer in value.layers:
            if layer is not value.layers[-1]:
                layer.added.append(value.gradient)
        first.added.extend(part.gradient for part in value.parts)
        first.stores = value.stored is not None and not value.is_tensor
        if len(first.added) > 2:
            return False
    return True


def _place(tensors: list[Buffer], layers: Sequence[Layer], keep: bool) -> tuple[int, int]:
    """Gives each buffer its place, in floats for each image; how many these are, forward and backward."""
    values = list({id(layer.source): layer.source for layer in layers if layer.source}.values())
    known = {id(tensor) for tensor in tensors}
    for value in values:
        if value.stored and id(value.stored) not in known:
            tensors.append(value.stored)
            known.add(id(value.stored))
    for tensor in tensors:
        tensor.first, tensor.last = (0, len(layers)) if keep else (len(layers), 0)
    if not keep:
        for layer in layers:
            written = [layer.result, layer.source.stored if layer.source and layer.stores else None]
            read = (
                [layer.source.stored, *(part.tensor for part in layer.source.addends)] if layer.source else []
            )
            for one in (*written, *read):
                if one:
                    one.first, one.last = min(one.first, layer.step), max(one.last, layer.step)
    for value in values:
        gradient = value.gradient
        # In the order of the backward pass: from the last layer that reads the value to where it was made.
        gradient.first = -value.layers[-1].step
        until = [value.layers[0].step]
        for addend in value.addends:
            if addend.layer:
                until.append(addend.layer.step)
            if addend.origin:
                until.append(addend.origin.layers[0].step)
        gradient.last = -min(until)
    return _pack(tensors), _pack([value.gradient for value in values])


def _pack(buffers: Sequence[Buffer]) -> int:
    """Gives buffers that are needed at the same time places that do not overlap; where the last ends."""
    apart = 5  # tensors of the same size would lie at the same places of their pages, and in each other's way
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda one: one.first):
        alive = sorted(
            (one for one in placed if one.last >= buffer.first and one.first <= buffer.last),
            key=lambda one: one.place,
        )
        place = 0
        for one in alive:
            if place + buffer.size + apart <= one.place:
                break
            place = max(place, one.place + one.size + apart)
        buffer.place = place
        placed.append(buffer)
    return max((one.place + one.size + apart for one in placed), default=0)
