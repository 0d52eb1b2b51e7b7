"""Functions that a forward calls, such as `F.relu`: layers that do the same are put in their place."""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from bakeoff.kernels.recording.not_captured import NotCaptured, first_line

RELU = (F.relu, torch.relu, torch.relu_, "relu", "relu_")
MAX_POOL = (F.max_pool2d, torch.max_pool2d)
MEAN = (torch.mean, "mean")
RESHAPE = (torch.flatten, torch.reshape, "flatten", "reshape", "view")
POOL_NAMES = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
AVERAGE_NAMES = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")


def replace_functions(graph: fx.Graph, root: nn.Module, batches: Sequence[Tensor]) -> dict[str, nn.Module]:
    """Put layers in the place of functions that do the same; the layers, by name."""
    shapes = _Shapes(root, graph, batches)
    functions: dict[str, nn.Module] = {}

    def replace(node: fx.Node, layers: list[nn.Module]) -> None:
        value = node.all_input_nodes[0]
        for layer in layers:
            name = f"function_{len(functions)}"
            functions[name] = layer
            with graph.inserting_before(node):
                value = graph.call_module(name, (value,))
        shapes.take_over(value, node)
        node.replace_all_uses_with(value)
        graph.erase_node(node)

    for node in list(graph.nodes):
        if node.op == "call_module" and type(root.get_submodule(str(node.target))) is nn.Identity:
            replace(node, [])
        elif (
            node.op in ("call_function", "call_method") and (layers := _layers_for(node, shapes)) is not None
        ):
            replace(node, layers)
        elif node.op == "call_method" and node.target == "view" and not isinstance(node.args[1], torch.dtype):
            node.target = "reshape"  # which takes every memory format
    for node in reversed(list(graph.nodes)):
        reads_shape = node.target in ("size", getattr, operator.getitem)
        if reads_shape and not node.users:
            graph.erase_node(node)

    for conv in list(graph.nodes):
        pool = _only_user(conv)
        relu = pool and _only_user(pool)
        if pool is None or relu is None or not all(map(is_layer, (conv, pool, relu))):
            continue
        names = [str(node.target) for node in (conv, pool, relu)]
        layers = [functions.get(name) or root.get_submodule(name) for name in names]
        # The maximum of what ReLU leaves is what ReLU leaves of the maximum, to the last bit.
        if tuple(map(type, layers)) == (nn.Conv2d, nn.MaxPool2d, nn.ReLU):
            relu.args = (conv,)
            graph.erase_node(pool)
            replace(relu, [nn.ReLU(), copy.copy(layers[1])])
    return functions


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _layers_for(node: fx.Node, shapes: _Shapes) -> list[nn.Module] | None:
    target, inplace = node.target, str(node.target).endswith("_")
    if target in RELU:
        options = _options(node, ("inplace",))
        if options is None:
            return None
        return [nn.ReLU(options.get("inplace", inplace or target is torch.relu_))]
    if target in MAX_POOL:
        options = _options(node, POOL_NAMES)
        if not options or options.get("return_indices"):
            return None
        return [nn.MaxPool2d(**{**options, "stride": options.get("stride") or None})]
    if target is F.avg_pool2d:
        options = _options(node, AVERAGE_NAMES)
        return [nn.AvgPool2d(**{**options, "stride": options.get("stride") or None})] if options else None
    if target is F.adaptive_avg_pool2d:
        options = _options(node, ("output_size",))
        return [nn.AdaptiveAvgPool2d(**options)] if options else None
    if target is F.dropout:
        options = _options(node, ("p", "training", "inplace"))
        if options is None:
            return None
        layer = nn.Dropout(options.get("p", 0.5), bool(options.get("inplace")))
        return [layer.train(bool(options.get("training", True)))]
    if target in MEAN:
        options = _options(node, ("dim", "keepdim")) or {}
        over = options.get("dim")
        if not isinstance(over, list | tuple) or shapes.number_of_dimensions(node.args[0]) != 4:
            return None
        if {one % 4 for one in over} != {2, 3}:
            return None
        return [nn.AdaptiveAvgPool2d(1), *([] if options.get("keepdim") else [nn.Flatten()])]
    return [nn.Flatten()] if target in RESHAPE and shapes.flattens(node) else None


def _options(node: fx.Node, names: Sequence[str]) -> dict[str, Any] | None:
    """Arguments after the first by name; None if one of them is computed."""
    tensor, *rest = node.args or (None,)
    if not isinstance(tensor, fx.Node) or len(rest) > len(names):
        return None
    options = {**dict(zip(names, rest, strict=False)), **node.kwargs}
    computed = node.all_input_nodes != [tensor]
    return None if computed or not options.keys() <= set(names) else options


class _Shapes:
    """The shapes of everything in a graph, for each batch."""

    def __init__(self, root: nn.Module, graph: fx.Graph, batches: Sequence[Tensor]) -> None:
        self._shapes: list[dict[fx.Node, torch.Size]] = []
        for images in batches:
            shapes: dict[fx.Node, torch.Size] = {}
            try:
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    _Recorder(root, graph, shapes).record(images)
            except Exception as error:
                raise NotCaptured(f"its forward fails: {first_line(error)}") from error
            self._shapes.append(shapes)

    def take_over(self, node: fx.Node, other: fx.Node) -> None:
        """It gives what the other gave."""
        for shapes in self._shapes:
            if other in shapes:
                shapes[node] = shapes[other]

    def number_of_dimensions(self, node: Any) -> int:
        return len(self._shapes[0].get(node, ()))

    def flattens(self, node: fx.Node) -> bool:
        """Whether it makes a row of each image."""
        return all(
            len(before := shapes[node.args[0]]) > 1  # type: ignore[index]
            and shapes[node] == (before[0], before[1:].numel())
            for shapes in self._shapes
        )


class _Recorder(fx.Interpreter):
    def __init__(self, root: nn.Module, graph: fx.Graph, shapes: dict[fx.Node, torch.Size]) -> None:
        super().__init__(root, graph=graph)
        self._shapes = shapes

    def record(self, images: Tensor) -> None:
        """Run the graph, as `run` does: its progress bar would leave a semaphore behind in a worker."""
        self.env, self.args_iter = {}, iter([images])
        for node in self.graph.nodes:
            self.env[node] = value = self.run_node(node)
            if isinstance(value, Tensor):
                self._shapes[node] = value.shape


def is_layer(node: fx.Node) -> bool:
    """Whether it is a call of a layer with nothing but what another node gives."""
    return (
        node.op == "call_module"
        and len(node.args) == 1
        and isinstance(node.args[0], fx.Node)
        and not node.kwargs
    )
