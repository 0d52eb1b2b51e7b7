"""A model's forward as a graph of its calls.

`torch.fx` calls the forward once with stand-ins for tensors and records in order what is done with them. What
it would record wrongly is refused here, or found by comparison (capture.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from bakeoff.kernels.recording.changes import refuse_changes, state_of
from bakeoff.kernels.recording.conditions import Conditions
from bakeoff.kernels.recording.functions import replace_functions
from bakeoff.kernels.recording.hooks import drop_layout_hooks, has_own_hooks
from bakeoff.kernels.recording.not_captured import NotCaptured, describe, first_line, own_name
from bakeoff.kernels.recording.purity import Purity


@dataclass(frozen=True)
class Trace:
    """What a forward does, for all models of one structure in one mode.

    Attributes
    ----------
    graph
        Its calls, in order; names are those of `Root`.
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
        root = Root(copy.deepcopy(model))
    except Exception as error:
        raise NotCaptured(f"the model cannot be copied: {first_line(error)}") from error
    for name, module in root.named_modules():
        if "forward" in vars(module):
            raise NotCaptured(f"{own_name(name)}.forward was replaced")
        drop_layout_hooks(module)
    purity = Purity()
    tracer = _Tracer(purity)
    before = state_of(root, tensors=True)
    try:
        with purity.watching():
            graph = tracer.trace(root)
        conditions = Conditions(root.model, purity)
    except Exception as error:
        raise NotCaptured(describe(error)) from error
    refuse_changes(before, state_of(root, tensors=True))
    for name in tracer.entered:
        if has_own_hooks(root.get_submodule(name)):
            raise NotCaptured(f"{own_name(name)} has a hook")
    if not isinstance(graph.output_node().args[0], fx.Node):
        raise NotCaptured("its forward does not return one tensor")
    functions = replace_functions(graph, root, batches)
    return Trace(graph, functions, conditions)


class Root(nn.Module):
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
