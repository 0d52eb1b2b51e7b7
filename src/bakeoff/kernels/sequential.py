"""Layers one after another: as chains of operations where they can be, else as PyTorch calls them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as module_internals

from bakeoff.kernels.chain import run_chain
from bakeoff.kernels.library import Library, current, is_aligned
from bakeoff.kernels.matching import LayerGraph, find_chain, find_graph, is_watched


class KernelSequential(nn.Sequential):
    """Layers one after another as in `nn.Sequential`: same names, same state dict, same results to rounding.

    `run_layers` says which layers are computed in another way.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """What the last layer gives."""
        return run_layers(self, inputs)


CONTAINERS = (nn.Sequential, KernelSequential)


def run_layers(layers: Iterable[nn.Module], inputs: Tensor) -> Tensor:
    """What the last of these layers gives.

    Where Conv2d, ReLU and MaxPool2d(2), or Conv2d, ReLU, BatchNorm2d and MaxPool2d(2), follow one another,
    the kernels compute them in one pass; these, Flatten, and Linear with ReLU and BatchNorm1d after it become
    one node of PyTorch's graph, also across the ends of an `nn.Sequential`. So do other runs of layers with
    two convolutions or more that stay in lanes (`find_graph`). The layers themselves are called in every
    other case: without kernels, with other settings, dtypes or devices, with hooks on a layer
    (attribution methods set them), in tracing, export, autocast, and inside transformations such as vmap.
    """
    if are_operations_changed() or not isinstance(library := current(), Library):
        for layer in layers:
            inputs = layer(inputs)
        return inputs
    flat = flat_layers(layers)
    index = 0
    while index < len(flat):
        chain, end = find_chain(flat, index, inputs.shape) if is_plain(inputs) else ([], index)
        if chain:
            inputs = run_chain(library, chain, inputs)
        if end == index:
            inputs = flat[index](inputs)
            end += 1
        index = end
    return inputs


class KernelGraph(nn.Module):
    """Layers with the places of their inputs, as one module; it does not own them."""

    def __init__(self, layers: LayerGraph) -> None:
        super().__init__()
        self._graph = tuple(layers)

    def layer_graph(self) -> LayerGraph:
        """As `run_graph` takes it."""
        return self._graph

    def forward(self, inputs: Tensor) -> Tensor:
        """What the last layer gives, by PyTorch where kernels do not apply."""
        found = run_graph(self._graph, inputs)
        if found is not None:
            return found
        values = [inputs]
        for layer, places in self._graph:
            given = [values[place] for place in places]
            values.append(given[0] + given[1] if layer is None else layer(*given))
        return values[-1]


def run_graph(layers: LayerGraph, inputs: Tensor) -> Tensor | None:
    """What the last of these layers gives; None where kernels do not take the graph (`find_graph`).

    Parameters
    ----------
    layers
        With the places of their inputs; sequences whose call nothing waits for may be among them.
    inputs
        Of the graph.
    """
    if are_operations_changed() or not is_plain(inputs) or not isinstance(library := current(), Library):
        return None
    found = find_graph(flat_graph(layers), inputs.shape)
    if found is None:
        return None
    chain, left = found
    return run_layers(left, run_chain(library, chain, inputs))


def has_layer_graph(model: nn.Module) -> bool:
    """Whether a model's forward computes what its method `layer_graph` gives.

    Both are of one class: a forward of a class derived from it may do something else.
    """
    owner = next(one for one in type(model).__mro__ if "forward" in vars(one))
    return "layer_graph" in vars(owner)


def flat_graph(layers: LayerGraph) -> LayerGraph:
    """The same with the layers of sequences whose call nothing waits for."""
    place, found = [0], []
    for layer, inputs in layers:
        places = tuple(place[index] for index in inputs)
        for one in [layer] if layer is None else flat_layers([layer]):
            found.append((one, places))
            places = (len(found),)
        place.append(places[0])
    return found


def flat_layers(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """The layers, and instead of sequences whose call nothing waits for those inside."""
    flat: list[nn.Module] = []
    for layer in layers:
        if type(layer) in CONTAINERS and not is_watched(layer):
            flat.extend(flat_layers(layer._modules.values()))  # type: ignore[arg-type]
        else:
            flat.append(layer)
    return flat


def are_operations_changed() -> bool:
    """Whether something traces or transforms PyTorch's operations, or waits for any layer to be called."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or torch.is_autocast_enabled("cpu")
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack() > 0
        or forward_ad._current_level >= 0
        or module_internals._has_any_global_hook()  # type: ignore[no-untyped-call]
    )


def is_plain(inputs: Tensor) -> bool:
    """Whether a kernel may read its memory."""
    return (
        type(inputs) is Tensor
        and inputs.dtype is torch.float32
        and inputs.device.type == "cpu"
        and inputs.layout is torch.strided
        and is_aligned(inputs)
    )
