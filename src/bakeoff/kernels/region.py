"""A part of a net that stays in lanes, as one operation: convolutions, batch norm, ReLU, sums and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bakeoff.kernels.convolutions import dense
from bakeoff.kernels.graph import Buffer, Conv, Graph, Layer, Pool, Program, Size, Value, program
from bakeoff.kernels.library import Layer as Memory
from bakeoff.kernels.library import Library
from bakeoff.kernels.memory import take_memory
from bakeoff.kernels.operation import Backward, Call, Gradients, Norm, Output, Parameters

IMAGES_AT_ONCE = 64
"""Where nothing is kept, so that what lies between layers stays near the core."""


@dataclass(frozen=True)
class Region:
    """A graph of layers; parameters: of convolutions weight and bias, of batch norms scale and shift.

    Inputs are [N, C, H, W], in any layout.

    Attributes
    ----------
    graph
        What is computed.
    norms
        Of its batch norms, in the graph's order.
    channels_last
        Memory format of the output.
    flat
        Whether the output, of one pixel, is [N, channels].
    """

    graph: Graph
    norms: tuple[Norm, ...]
    channels_last: bool = False
    flat: bool = False

    def output_shape(self, shape: tuple[int, ...], parameters: Parameters) -> tuple[int, ...]:
        size = self._program(shape[1:], True).layers[-1].size
        return (shape[0], size[0]) if self.flat else (shape[0], *size)

    def forward(self, library: Library, inputs: Tensor, parameters: Parameters, keep: bool) -> Output:
        """Keeps all tensors between its layers, and the constants of batch norms."""
        images, channels_last = dense(inputs)
        laid_out = self._program(tuple(images.shape[1:]), keep)
        out = laid_out.layers[-1].size
        memory_format = torch.channels_last if self.channels_last else torch.contiguous_format
        output = torch.empty((len(images), *out), dtype=torch.float32, memory_format=memory_format)
        result = output.flatten(1) if self.flat else output
        kept = [None if one is None else dense(one)[0] for one in parameters]
        batch = any(norm.training for norm in self.norms)
        number = len(images) if keep or batch else min(IMAGES_AT_ONCE, len(images))
        constants = _constants(laid_out)
        memory = take_memory(_floats(library, number, laid_out.forward) + constants)
        output_last = self.channels_last or out[1:] == (1, 1)
        calls: list[Call] = []
        bound = None
        for start in range(0, len(images), number):
            part = slice(start, start + number)
            if bound is None or start + number > len(images):
                bound = _Bound(library, self.norms, laid_out, len(images[part]), kept, memory)
            calls.extend(bound.forward(images[part], channels_last, output[part], output_last))
        for norm in self.norms:
            calls.extend(norm.counting)
        return result, (memory,), calls

    def backward(self, asked: Backward) -> Gradients:
        laid_out, gradient = self._program(tuple(asked.inputs.shape[1:]), True), asked.gradient
        weights = [None if one is None else dense(one)[0] for one in asked.parameters]
        of_inputs = torch.empty_like(dense(asked.inputs)[0]) if asked.needs_inputs else None
        found = [None if one is None else torch.empty_like(one) for one in weights]
        if self.flat:
            gradient = gradient[:, :, None, None]
        gradient, channels_last = dense(gradient)
        (memory,) = asked.kept
        assert memory is not None
        bound = _Bound(asked.library, self.norms, laid_out, len(asked.inputs), weights, memory)
        calls = bound.backward(
            gradient, channels_last, of_inputs, of_inputs is not None and dense(of_inputs)[1], found
        )
        return of_inputs, tuple(found), calls

    def _program(self, size: tuple[int, ...], keep: bool) -> Program:
        channels, height, width = size
        found = program(self.graph, (channels, height, width), keep)
        assert found is not None
        return found


def _floats(library: Library, images: int, of_one: int) -> int:
    return -(-images // library.lanes) * library.lanes * of_one


def _constants(laid_out: Program) -> int:
    return sum(4 * channels for channels, _ in laid_out.norms)


class _Bound:
    """The layers of a program with addresses of memory."""

    def __init__(
        self,
        library: Library,
        norms: Sequence[Norm],
        laid_out: Program,
        images: int,
        parameters: Sequence[Tensor | None],
        memory: Tensor,
    ) -> None:
        self._library, self._norms, self._program = library, norms, laid_out
        self._images, self._parameters, self._memory = images, parameters, memory
        self._for_each = 4 * _floats(library, images, 1)
        self._start = memory.data_ptr()
        # Constants lie behind the tensors of the largest batch.
        address = self._start + 4 * (memory.numel() - _constants(laid_out))
        self._constants = []
        for channels, _ in laid_out.norms:
            self._constants.append(address)
            address += 16 * channels
        self._described = [self._describe(layer) for layer in laid_out.layers]
        inner = zip(laid_out.layers[1:-1], self._described[1:-1], strict=True)
        self._between = [library.bind(f"{layer.kind}_forward", described) for layer, described in inner]

    def forward(self, images: Tensor, images_last: bool, output: Tensor, output_last: bool) -> list[Call]:
        """The calls that compute the output of images."""
        enter, *_, leave = self._described
        return [
            self._library.bind("enter_forward", enter, images, images_last),
            *self._between,
            self._library.bind("leave_forward", leave, output, output_last),
        ]

    def backward(
        self,
        gradient: Tensor,
        gradient_last: bool,
        of_inputs: Tensor | None,
        of_inputs_last: bool,
        found: Sequence[Tensor | None],
    ) -> list[Call]:
        """The calls that compute the gradients of inputs and parameters."""
        sums = [2 * channels for channels, _ in self._program.norms]
        floats = self._for_each // 4 * self._program.backward
        floats += floats % 2  # doubles after them
        space = take_memory(floats + 2 * sum(sums))
        self._gradients = space.data_ptr()
        address = self._gradients + 4 * floats
        self._sums = []
        for number in sums:
            self._sums.append(address)
            address += 8 * number
        calls: list[Call] = []
        for layer, memory in zip(reversed(self._program.layers), reversed(self._described), strict=True):
            memory.kept = (*memory.kept, space)
            first = self._program.layers[0]
            if layer.source and (layer.source.addends[0].layer is not first or of_inputs is not None):
                self._describe_source_gradient(layer, memory)
            if layer.result:
                self._describe_result_gradient(layer, memory, found)
            if layer.kind == "enter":
                if of_inputs is not None:
                    calls.append(self._library.bind("enter_backward", memory, of_inputs, of_inputs_last))
            elif layer.kind == "leave":
                calls.append(self._library.bind("leave_backward", memory, gradient, gradient_last))
            else:
                calls.append(self._library.bind(f"{layer.kind}_backward", memory))
        return calls

    def _at(self, buffer: Buffer) -> int:
        return self._start + buffer.place * self._for_each

    def _gradient_at(self, buffer: Buffer) -> int:
        return self._gradients + buffer.place * self._for_each

    def _describe(self, layer: Layer) -> Memory:
        """What both passes need to know."""
        source = layer.source
        size: Size = source.size if source else layer.size
        memory = Memory(self._images, *size, *layer.size)
        memory.kept = (self._memory, self._parameters, self._norms)
        what = layer.what
        if isinstance(what, Conv):
            memory.kernel_height, memory.kernel_width = what.kernel
            memory.stride, memory.padding, memory.depthwise = what.stride, what.padding, what.depthwise
            weight, bias = self._parameters[layer.parameters : layer.parameters + 2]
            assert weight is not None
            memory.weight, memory.weight_last = weight.data_ptr(), dense(weight)[1]
            memory.result.bias = None if bias is None else bias.data_ptr()
        elif isinstance(what, Pool):
            assert what.kernel is not None
            memory.kernel_height, memory.kernel_width = what.kernel
            memory.maximum = what.maximum
        if source:
            self._describe_source(layer, source, memory)
        if layer.result:
            result = memory.result
            result.values, result.relu = self._at(layer.result), layer.relu
            if layer.norm is not None:
                norm, parameter = self._norms[layer.norm], self._program.norms[layer.norm][1]
                scale, shift = self._parameters[parameter : parameter + 2]
                assert scale is not None
                assert shift is not None
                result.norm = 2 if norm.training else 1
                result.scale, result.shift = scale.data_ptr(), shift.data_ptr()
                result.running_mean = norm.running_mean.data_ptr()
                result.running_variance = norm.running_variance.data_ptr()
                result.momentum, result.epsilon = norm.momentum, norm.epsilon
                result.constants = self._constants[layer.norm]
        return memory

    def _describe_source(self, layer: Layer, source: Value, memory: Memory) -> None:
        memory.source.relu = source.relu
        if layer.stores:
            assert source.stored is not None
            memory.source.stored = self._at(source.stored)
        elif source.stored and not source.is_tensor:  # another layer stored it
            memory.source.first.values = self._at(source.stored)
            memory.source.relu = False
            return
        for addend, place in zip(source.addends, (memory.source.first, memory.source.second), strict=False):
            place.values = self._at(addend.tensor)
            if addend.norm is not None:
                constants, (channels, _) = self._constants[addend.norm], self._program.norms[addend.norm]
                place.scale, place.shift = constants, constants + 4 * channels

    def _describe_source_gradient(self, layer: Layer, memory: Memory) -> None:
        source = layer.source
        assert source is not None
        gradient = memory.source_gradient
        gradient.gradient = self._gradient_at(source.gradient)
        gradient.last = layer is source.layers[0]
        for index, buffer in enumerate(layer.added):
            gradient.added[index] = self._gradient_at(buffer)
        for index, addend in enumerate(source.addends):
            if addend.norm is not None:
                channels, _ = self._program.norms[addend.norm]
                gradient.means[index] = self._constants[addend.norm] + 8 * channels
                gradient.sums[index] = self._sums[addend.norm]

    def _describe_result_gradient(self, layer: Layer, memory: Memory, found: Sequence[Tensor | None]) -> None:
        gradient = memory.result_gradient
        gradient.gradient = self._gradient_at(self._program.value_of[layer.step].gradient)
        if layer.kind == "conv":
            weight, bias = found[layer.parameters : layer.parameters + 2]
            assert weight is not None
            gradient.weight = weight.data_ptr()
            gradient.bias = None if bias is None else bias.data_ptr()
        if layer.norm is not None:
            parameter = self._program.norms[layer.norm][1]
            scale, shift = found[parameter : parameter + 2]
            assert scale is not None
            assert shift is not None
            gradient.scale, gradient.shift = scale.data_ptr(), shift.data_ptr()
            gradient.sums = self._sums[layer.norm]
