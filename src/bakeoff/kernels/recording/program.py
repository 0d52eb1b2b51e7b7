"""A recorded forward as a list of steps: runs of layers, which kernels may take, and other calls."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from bakeoff.kernels.matching import LayerGraph, is_for_regions, is_watched
from bakeoff.kernels.recording.functions import is_layer
from bakeoff.kernels.recording.hooks import drop_layout_hooks, has_own_hooks
from bakeoff.kernels.recording.tracing import Root, Trace
from bakeoff.kernels.sequential import KernelGraph, KernelSequential, run_graph, run_layers

Step = Callable[[dict[fx.Node, Any]], Any]
"""From the values of the nodes before it to its own."""


class Program:
    """A trace with the layers and parameters of one model: gives what its forward gives.

    Parameters
    ----------
    traced
        Of a model of this structure.
    model
        Keeps its weights and layers.

    Raises
    ------
    Unlike
        If it is not of this structure.

    Attributes
    ----------
    chain
        All of it as layers one after another or a graph, if it is nothing else.
    """

    def __init__(self, traced: Trace, model: nn.Module) -> None:
        self._facts = traced.conditions.facts_of(model)
        self._root, self._functions = Root(model), traced.functions
        self._called: set[nn.Module] = set()
        groups = _groups(traced.graph, self._taken_by_regions(traced.graph))
        last_use = {node: index for index, group in enumerate(groups) for node in _inputs(group)}
        (self._input,), *inner, (output,) = groups
        self._output: fx.Node = output.args[0]  # type: ignore[assignment]
        self._steps: list[tuple[Step, fx.Node, list[fx.Node]]] = []
        self.chain: nn.Module | None = None
        layers: list[tuple[nn.Module | None, tuple[int, ...]]] = []
        for index, group in enumerate(inner, start=1):
            unused = [node for node in _inputs(group) if last_use[node] == index]
            if any(map(_is_sum, group[1:])):
                region = self._region_layers(group)
                self._steps.append((_computing(group, region, self._root), group[-1], unused))
                if index == 1:
                    layers = region
                    self.chain = KernelGraph(layers) if len(inner) == 1 else None
            elif is_layer(group[0]):
                sequence = [self._layer(str(node.target)) for node in group]
                self._steps.append((_running(sequence, group[0].args[0]), group[-1], unused))
                if len(inner) == 1:
                    self.chain = KernelSequential(*sequence)
                elif index == len(inner) == 2 and layers and _inputs(group) == [inner[0][-1]]:
                    tail = [(layer, (place,)) for place, layer in enumerate(sequence, len(layers))]
                    self.chain = KernelGraph([*layers, *tail])
            else:
                self._steps.append((_calling(group[0], self._root), group[-1], unused))
        modules = list(self._root.modules())
        self._heard = [module for module in modules if module in self._called]
        self._passed_over = [module for module in modules if module not in self._called]

    def _layer(self, name: str) -> nn.Module:
        if name in self._functions:
            return self._functions[name]
        layer = self._root.get_submodule(name)
        if is_watched(layer) and not has_own_hooks(layer):
            layer = copy.copy(layer)  # the same weights without the hooks
            drop_layout_hooks(layer)
        else:
            self._called.add(layer)
        return layer

    def _taken_by_regions(self, graph: fx.Graph) -> set[fx.Node]:
        """Layers and sums that regions compute, if their shapes fit."""
        taken = {node for node in graph.nodes if _is_sum(node)}
        for node in filter(is_layer, graph.nodes):
            name = str(node.target)
            layer = self._functions.get(name) or self._root.get_submodule(name)
            changes_input = getattr(layer, "inplace", False) and len(node.all_input_nodes[0].users) > 1
            if is_for_regions(layer) and not changes_input:
                taken.add(node)
        return taken

    def _region_layers(self, nodes: list[fx.Node]) -> list[tuple[nn.Module | None, tuple[int, ...]]]:
        """The layers of a region, None for sums, with the places of their inputs."""
        places = {node: index for index, node in enumerate((*_inputs(nodes), *nodes))}
        return [
            (
                None if _is_sum(node) else self._layer(str(node.target)),
                tuple(places[one] for one in node.args),  # type: ignore[index]
            )
            for node in nodes
        ]

    def change(self) -> str | None:
        """What is not as in the trace, or has a hook and is not called; None if nothing."""
        if any(map(has_own_hooks, self._passed_over)):
            return "a hook"
        return self._facts.change()

    @property
    def has_hooks(self) -> bool:
        """Whether anything waits for a layer that is called; for the others, `change` says so."""
        return any(map(has_own_hooks, self._heard))

    def __call__(self, images: Tensor) -> Tensor:
        """What the model's forward gives."""
        values: dict[fx.Node, Any] = {self._input: images}
        for compute, target, unused in self._steps:
            values[target] = compute(values)
            for node in unused:
                del values[node]
        result: Tensor = values[self._output]
        return result


def _groups(graph: fx.Graph, taken: set[fx.Node]) -> list[list[fx.Node]]:
    """The nodes in order; together are layers that only take what the one before them gives, and regions.

    A region is as many nodes in `taken` as possible, sums among them, that lead from one value to one other.
    """
    groups: list[list[fx.Node]] = []
    waiting = list(graph.nodes)
    while waiting:
        length = _length_of_region(waiting, taken)
        if length:
            groups.append(waiting[:length])
            del waiting[:length]
            continue
        node = waiting.pop(0)
        before = groups[-1][-1] if groups else None
        ends_region = bool(groups) and any(map(_is_sum, groups[-1][1:]))
        follows = (
            before
            and not ends_region
            and is_layer(before)
            and node.args == (before,)
            and len(before.users) == 1
        )
        if follows and is_layer(node):
            groups[-1].append(node)
        else:
            groups.append([node])
    return groups


def _length_of_region(nodes: list[fx.Node], taken: set[fx.Node]) -> int:
    """Of the longest region that begins with the first; 0 if there is none."""
    length, inside, sources = 0, set[fx.Node](), set[fx.Node]()
    open_ends = set[fx.Node]()  # values of the region that something after it may read
    for number, node in enumerate(nodes, start=1):
        if node not in taken:
            break
        sources |= {one for one in node.all_input_nodes if one not in inside}
        if len(sources) > 1:
            break
        inside.add(node)
        open_ends = {one for one in (*open_ends, node) if not inside.issuperset(one.users)}
        if open_ends == {node} and any(map(_is_sum, nodes[1:number])):
            length = number
    return length


def _inputs(group: Sequence[fx.Node]) -> list[fx.Node]:
    """What it takes of the nodes before it."""
    found = dict.fromkeys(one for node in group for one in node.all_input_nodes)
    return [node for node in found if node not in group]


def _is_sum(node: fx.Node) -> bool:
    """Of two values; in place only where nothing else reads the first of them."""
    two = len(node.args) == 2 and not node.kwargs and all(isinstance(one, fx.Node) for one in node.args)
    if not two or node.op not in ("call_function", "call_method"):
        return False
    in_place = node.target in (operator.iadd, "add_")
    alone = len(node.args[0].users) == 1  # type: ignore[union-attr]
    return (in_place and alone) or node.target in (operator.add, torch.add, "add")


def _running(layers: list[nn.Module], source: Any) -> Step:
    return lambda values: run_layers(layers, values[source])


def _computing(nodes: list[fx.Node], layers: LayerGraph, root: nn.Module) -> Step:
    """What computes them together, or one by one where kernels do not apply."""
    (source,) = _inputs(nodes)
    singly = [
        _calling(node, root) if layer is None else _running([layer], node.args[0])
        for node, (layer, _) in zip(nodes, layers, strict=True)
    ]

    def compute(values: dict[fx.Node, Any]) -> Any:
        found = run_graph(layers, values[source])
        if found is not None:
            return found
        inner = {source: values[source]}
        for node, one in zip(nodes, singly, strict=True):
            inner[node] = one(inner)
        return inner[nodes[-1]]

    return compute


def _calling(node: fx.Node, root: nn.Module) -> Step:
    target = node.target
    if node.op == "get_attr":
        owner, _, name = str(target).rpartition(".")
        module = root.get_submodule(owner)
        return lambda values: getattr(module, name)
    function = root.get_submodule(str(target)) if node.op == "call_module" else target

    def compute(values: dict[fx.Node, Any]) -> Any:
        args = fx.node.map_arg(node.args, values.__getitem__)
        options = fx.node.map_arg(node.kwargs, values.__getitem__)
        if isinstance(function, str):
            return getattr(args[0], function)(*args[1:], **options)
        return function(*args, **options)

    return compute
