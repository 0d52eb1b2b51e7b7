"""A model's forward as a list of steps: runs of layers, which kernels may take, and calls of everything else.

`torch.fx` calls the forward once with stand-ins for tensors and records in order what is done with them. What
it would record wrongly is refused here, or found by comparison (capture.py).
"""

from __future__ import annotations

import copy
import operator
import pickle
import random
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from bakeoff.kernels.matching import LayerGraph, is_for_regions, is_watched
from bakeoff.kernels.recording.conditions import INTERNAL, Conditions
from bakeoff.kernels.recording.purity import Purity, is_users_file
from bakeoff.kernels.sequential import KernelGraph, KernelSequential, run_graph, run_layers
from bakeoff.text import shorten

Step = Callable[[dict[fx.Node, Any]], Any]
"""From the values of the nodes before it to its own."""


class NotCaptured(Exception):
    """Why a model is run as it is: one line that names the place."""


def contiguous_inputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A hook for models whose `view` needs images stored channel by channel; programs do without."""
    return tuple(one.contiguous() for one in inputs)


def contiguous_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """The same for the outputs of convolutions."""
    return output.contiguous()


LAYOUT_HOOKS = {contiguous_inputs, contiguous_output}


def has_own_hooks(module: nn.Module) -> bool:
    """Whether something else than `LAYOUT_HOOKS` waits for a module to be called."""
    if not is_watched(module):
        return False
    layout = {*module._forward_pre_hooks.values(), *module._forward_hooks.values()}
    return bool(module._backward_hooks or module._backward_pre_hooks) or not layout <= LAYOUT_HOOKS


@dataclass(frozen=True)
class Trace:
    """What a forward does, for all models of one structure in one mode.

    Attributes
    ----------
    graph
        Its calls, in order; names are those of `_Root`.
    functions
        Layers without weights that stand for calls of functions, by name.
    conditions
        What has to stay as it was.
    """

    graph: fx.Graph
    functions: dict[str, nn.Module]
    conditions: Conditions


def trace(model: nn.Module, batches: Sequence[Tensor]) -> Trace:
    """Record the forward of a model in its present mode.

    Parameters
    ----------
    model
        Stays as it is: a copy is called.
    batches
        Of different numbers of images: whether a `view` flattens each image is seen by shapes.

    Raises
    ------
    NotCaptured
        If it cannot be recorded, or would do more than is recorded.
    """
    try:
        root = _Root(copy.deepcopy(model))
    except Exception as error:
        raise NotCaptured(f"the model cannot be copied: {_first_line(error)}") from error
    for name, module in root.named_modules():
        if "forward" in vars(module):
            raise NotCaptured(f"{_own(name)}.forward was replaced")
        _drop_layout_hooks(module)
    purity = Purity()
    tracer = _Tracer(purity)
    before = state_of(root, tensors=True)
    try:
        with purity.watching():
            graph = tracer.trace(root)
        conditions = Conditions(root.model, purity)
    except Exception as error:
        raise NotCaptured(_describe(error)) from error
    refuse_changes(before, state_of(root, tensors=True))
    for name in tracer.entered:
        if has_own_hooks(root.get_submodule(name)):
            raise NotCaptured(f"{_own(name)} has a hook")
    if not isinstance(graph.output_node().args[0], fx.Node):
        raise NotCaptured("its forward does not return one tensor")
    functions = _normalize(graph, root, batches)
    return Trace(graph, functions, conditions)


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
        self._root, self._functions = _Root(model), traced.functions
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
            elif _is_layer(group[0]):
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
            _drop_layout_hooks(layer)
        else:
            self._called.add(layer)
        return layer

    def _taken_by_regions(self, graph: fx.Graph) -> set[fx.Node]:
        """Layers and sums that regions compute, if their shapes fit."""
        taken = {node for node in graph.nodes if _is_sum(node)}
        for node in filter(_is_layer, graph.nodes):
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


class _Root(nn.Module):
    """Calls a model as training does, with images alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training

    def forward(self, images: Tensor) -> Any:
        return self.model(images)


class _Tracer(fx.Tracer):
    """Records calls of PyTorch's layers, and goes into all other modules."""

    proxy_buffer_attributes = True  # so that what is done to a buffer is recorded, and not done

    def __init__(self, purity: Purity) -> None:
        super().__init__()
        self.entered: list[str] = []
        self._purity = purity

    def to_bool(self, obj: fx.Proxy) -> bool:
        """Also where a `try` of the user's would go on."""
        try:
            return super().to_bool(obj)
        except Exception as error:
            self._purity.refuse(str(error))
            raise

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        name = self.path_of_module(m)
        if not self.is_leaf_module(m, name) and name not in self.entered:
            self.entered.append(name)
        return super().call_module(m, forward, args, kwargs)

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, Tensor) and not isinstance(a, nn.Parameter) and a not in self.tensor_attrs:
            raise NotCaptured("a tensor that the forward makes, which would stay as it is now")
        return super().create_arg(a)


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
            and _is_layer(before)
            and node.args == (before,)
            and len(before.users) == 1
        )
        if follows and _is_layer(node):
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


def _is_layer(node: fx.Node) -> bool:
    return (
        node.op == "call_module"
        and len(node.args) == 1
        and isinstance(node.args[0], fx.Node)
        and not node.kwargs
    )


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


# Functions as layers.

RELU = (F.relu, torch.relu, torch.relu_, "relu", "relu_")
MAX_POOL = (F.max_pool2d, torch.max_pool2d)
MEAN = (torch.mean, "mean")
RESHAPE = (torch.flatten, torch.reshape, "flatten", "reshape", "view")
POOL_NAMES = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
AVERAGE_NAMES = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")


def _normalize(graph: fx.Graph, root: nn.Module, batches: Sequence[Tensor]) -> dict[str, nn.Module]:
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
        if pool is None or relu is None or not all(map(_is_layer, (conv, pool, relu))):
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
                raise NotCaptured(f"its forward fails: {_first_line(error)}") from error
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


# What a forward must not do beside giving its result.


def state_of(model: nn.Module, *, tensors: bool) -> dict[str, object]:
    """What a forward could change: attributes, classes, the globals that it names, random generators.

    Parameters
    ----------
    model
        With all its modules.
    tensors
        Whether parameters, buffers and PyTorch's generator belong to it, which a real call may change.
    """
    state: dict[str, object] = {
        "the state of Python's random numbers": random.getstate(),
        "the state of NumPy's random numbers": pickle.dumps(np.random.get_state()),  # noqa: NPY002
    }
    if tensors:
        state["the state of PyTorch's random numbers"] = torch.get_rng_state().numpy().tobytes()
    for path, module in model.named_modules():
        kind = type(module)
        name = _own(path)
        for key, value in vars(module).items():
            if key not in INTERNAL:
                state[f"{name}.{key}"] = _snapshot(value)
        for key, tensor in (*module._parameters.items(), *module._buffers.items()) if tensors else ():
            state[f"{name}.{key}"] = tensor if tensor is None else (id(tensor), tensor._version)
        if not kind.__module__.startswith("torch."):
            for key, value in vars(kind).items():
                if not key.startswith("__"):
                    state[f"{kind.__name__}.{key}"] = _snapshot(value)
            function = kind.forward
            if isinstance(function, FunctionType):
                for key in function.__code__.co_names:
                    if key in function.__globals__:
                        state[f"the global {key}"] = _snapshot(function.__globals__[key])
    return state


def _snapshot(value: object) -> object:
    if isinstance(value, ModuleType | type) or callable(value):
        return id(value)
    try:
        return pickle.dumps(value)
    except Exception:  # whatever an object of the user's raises
        return id(value)


def refuse_changes(before: dict[str, object], after: dict[str, object]) -> None:
    """Raise `NotCaptured` if two states of a model differ."""
    for name in before | after:
        if before.get(name) != after.get(name):
            raise NotCaptured(f"its forward changes {name}")


# Names and places.


def _own(name: str) -> str:
    """A module's name as the user has it."""
    return name.removeprefix("model").removeprefix(".") or "the model"


def _drop_layout_hooks(module: nn.Module) -> None:
    for name in ("_forward_pre_hooks", "_forward_hooks"):
        hooks = getattr(module, name)
        kept = type(hooks)((key, hook) for key, hook in hooks.items() if hook not in LAYOUT_HOOKS)
        setattr(module, name, kept)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().split("\n", 1)[0] or type(error).__name__)[:200]


def _describe(error: BaseException) -> str:
    """The line of the user's that raised, and what."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if is_users_file(path):
            return f"{path.name}:{frame.lineno}, {shorten(frame.line or '')}: {_first_line(error)}"
    return _first_line(error)
