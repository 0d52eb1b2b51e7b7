"""What has to stay as it was for the record of a forward to hold: compared in each call.

Of the model: its layers and their classes, modes, settings, parameters, and what its code reads. Beside it:
the globals, classes and functions that its code reads. What cannot be compared is refused.
"""

from __future__ import annotations

import copy
import functools
import sys
from abc import ABCMeta
from collections.abc import Callable
from pathlib import Path
from types import CellType, FunctionType
from typing import Any

from torch import Tensor, nn

from bakeoff.kernels.recording.purity import Impure, Purity, is_fixed, is_plain_value, is_users_file

INTERNAL = {*vars(nn.Module()), "training"}

CALLING = {"forward", "__call__", "__getattr__", "__getattribute__", "_call_impl", "_wrapped_call_impl"}
"""What PyTorch reads of a module to call it."""

TENSORS_AND_LAYERS = ("_modules", "_parameters", "_buffers")

Fact = tuple[Callable[[Any], Any], Any, Any, str]
"""How it is read, of what, what was read, and what it is called."""


class Unlike(Exception):
    """A model does not have the layers and tensors of the recorded one."""


class Conditions:
    """What the record of a forward rests on.

    Parameters
    ----------
    model
        The recorded one, in the mode in which it was recorded.
    purity
        What its code read.

    Raises
    ------
    Impure
        If something that the code reads cannot be compared; the message names it.
    """

    def __init__(self, model: nn.Module, purity: Purity) -> None:
        self._names = frozenset(purity.names - {"__dict__", "__weakref__"} | CALLING)
        self._own: list[tuple[str, str, str, Any]] = []
        self._absent: list[tuple[str, frozenset[str]]] = []
        self._shared: list[Fact] = []
        self._seen: set[int] = set()
        for path, module in model.named_modules():
            self._add_module(path, module)
        for namespace, key, place in purity.globals:
            self._add(namespace.get, key, f"{place}, reads the global {key}")

    def facts_of(self, model: nn.Module) -> Facts:
        """The same of another model of this structure.

        Raises
        ------
        Unlike
            If it has other layers or tensors.
        """
        facts = list(self._shared)
        try:
            for path, place, key, value in self._own:
                module = model.get_submodule(path)
                name = f"{path or 'the model'}.{key}"
                if place == "__class__":
                    facts.append((type, module, value, f"the class of {path}"))
                    continue
                namespace = getattr(module, place)
                if isinstance(value, nn.Module | Tensor):
                    if type(namespace[key]) is not type(value):
                        raise Unlike(name)
                    value = namespace[key]
                facts.append(
                    (tuple, namespace, value, name) if not key else (namespace.get, key, value, name)
                )
            for path, absent in self._absent:
                facts.append(
                    (absent.isdisjoint, vars(model.get_submodule(path)), True, f"an attribute of {path}")
                )
        except (AttributeError, KeyError) as error:  # of the model, which has no such layer or tensor
            raise Unlike(str(error)) from error
        return Facts(facts)

    def _add_module(self, path: str, module: nn.Module) -> None:
        self._own.append((path, "__class__", "", type(module)))
        self._own.append((path, "__dict__", "training", module.training))
        for place in TENSORS_AND_LAYERS:
            namespace = getattr(module, place)
            self._own.append((path, place, "", tuple(namespace)))
            self._own.extend((path, place, key, value) for key, value in namespace.items())
        own = _is_own(type(module))
        for key, value in vars(module).items():
            if key in INTERNAL:
                continue
            if isinstance(value, Tensor):
                if key in self._names:
                    self._own.append((path, "__dict__", key, value))
            elif is_plain_value(value):
                if key in self._names or not own:
                    self._own.append((path, "__dict__", key, copy.deepcopy(value)))
            elif key in self._names:
                if isinstance(value, functools.partial) or not is_fixed(value):
                    raise Impure(_could_change(path or "the model", key, value))
                self._own.append((path, "__dict__", key, value))
                self._follow(value)
        self._absent.append((path, self._names - vars(module).keys()))
        self._follow(type(module))
        self._shared.append(
            (functools.partial(getattr, type(module)), "forward", type(module).forward, f"{path}.forward")
        )

    def _add(self, read: Callable[[Any], Any], key: Any, refusal: str) -> None:
        value = read(key)
        if not is_fixed(value):
            raise Impure(refusal)
        self._shared.append((read, key, copy.deepcopy(value) if is_plain_value(value) else value, refusal))
        self._follow(value)

    def _follow(self, value: Any) -> None:
        """Add what code may read of a function or a class of the user's."""
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, functools.partial):
            self._add(functools.partial(getattr, value), "keywords", "the keywords of a partial function")
            self._follow(value.func)
        elif isinstance(value, FunctionType) and is_users_file(Path(value.__code__.co_filename)):
            self._follow_function(value)
        elif isinstance(value, type):
            for kind in filter(_is_own, value.__mro__):
                self._follow_class(kind)

    def _follow_function(self, function: FunctionType) -> None:
        name = function.__qualname__
        read = functools.partial(getattr, function)
        self._shared.append((read, "__code__", function.__code__, f"the code of {name}"))
        self._add(read, "__dict__", f"{name} has attributes of its own")
        for place in ("__defaults__", "__kwdefaults__"):
            defaults = getattr(function, place)
            self._shared.append((read, place, defaults, f"the defaults of {name}"))
            for key in defaults if isinstance(defaults, dict) else range(len(defaults or ())):
                self._add(defaults.__getitem__, key, f"a default of {name} could change")
        for key, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if key != "__class__":
                self._add(_content, cell, f"{name} reads {key} of the code around it")

    def _follow_class(self, kind: type) -> None:
        if type(kind) not in (type, ABCMeta):
            raise Impure(f"{kind.__name__} is of the class {type(kind).__name__}, whose state could change")
        names = vars(kind)
        for key in self._names & names.keys():
            value = names[key]
            if isinstance(value, property | staticmethod | classmethod):
                self._shared.append((names.get, key, value, f"{kind.__name__}.{key}"))
                self._follow(value.fget if isinstance(value, property) else value.__func__)
            else:
                self._add(names.get, key, _could_change(kind.__name__, key, value))
        self._shared.append(
            ((self._names - names.keys()).isdisjoint, names, True, f"an attribute of {kind.__name__}")
        )


class Facts:
    """What was read of one model, and how to read it again."""

    def __init__(self, facts: list[Fact]) -> None:
        self._plain = [fact for fact in facts if is_plain_value(fact[2])]
        self._same = [fact for fact in facts if not is_plain_value(fact[2])]

    def change(self) -> str | None:
        """What is not as it was; None if all is."""
        for read, key, value, name in self._same:
            if read(key) is not value:
                return name
        for read, key, value, name in self._plain:
            found = read(key)
            if found is not value and (type(found) is not type(value) or found != value):
                return name
        return None


def _content(cell: CellType) -> Any:
    return cell.cell_contents


def _is_own(kind: type) -> bool:
    """Whether a class is neither PyTorch's nor Python's."""
    return kind.__module__.split(".")[0] not in {"torch", *sys.stdlib_module_names}


def _could_change(owner: str, key: str, value: object) -> str:
    return f"{owner}.{key} is {type(value).__name__}, whose state could change"
