"""What a forward may do while it is recorded, so that the record holds for later calls too.

The record has the calls on tensors and nothing else. So the code that runs meanwhile may only read what stays
as it is: what can change later is compared in each call, and what cannot be compared is refused.
"""

from __future__ import annotations

import builtins
import dis
import functools
import gc
import math
import operator
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import fx
from torch.utils._python_dispatch import TorchDispatchMode

LIBRARY, STANDARD = Path(torch.__file__).parent, Path(sysconfig.get_paths()["stdlib"])
LAYERS, KERNELS = LIBRARY / "nn", Path(__file__).parents[1]

CHANGES = {"STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_SUBSCR", "DELETE_SUBSCR"}
IMPURE = {
    "apply", "attrgetter", "compile", "delattr", "dir", "enable_grad", "eval", "exec", "getattr", "globals",
    "hasattr", "id", "inference_mode", "input", "is_grad_enabled", "is_inference_mode_enabled", "locals",
    "methodcaller", "next", "no_grad", "numpy", "open", "print", "set_grad_enabled", "setattr", "tolist",
    "vars",
}  # fmt: skip
"""Names of what changes something, reads what the code does not name, or sets how gradients are made."""

SPECIAL = {"__call__", "__class__", "__init__", "__name__"}
"""Of such names, those that code may read."""

PURE_MODULES = ("torch", "math", "operator", "functools", "itertools", "typing", "collections", "builtins")
PLAIN = (int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device, torch.Size, slice)


class Impure(Exception):
    """The code that a forward runs could do something else later; the message says what it does."""


class Purity:
    """Looks at the code of a user's that runs inside `watching`.

    Attributes
    ----------
    names
        Of all attributes that this code reads.
    globals
        What it reads from its modules: the namespace, the name in it, and the place in the code.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.globals: list[tuple[Mapping[str, Any], str, str]] = []
        self._refused: list[Impure] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Raise `Impure` if gradients are switched or tensors computed with; then look at what was run."""
        before, collects = sys.getprofile(), gc.isenabled()
        gc.disable()  # it would run code of others here, which ends what they no longer need
        with ExitStack() as stack:
            for owner, name in SWITCHES:
                stack.enter_context(patch.object(owner, name, self._refusal(f"{owner.__name__}.{name}")))
            stack.enter_context(_NoTensors())  # type: ignore[no-untyped-call]
            frames: dict[CodeType, FrameType] = {}
            sys.setprofile(lambda frame, event, _: frames.setdefault(frame.f_code, frame) and None)
            try:
                yield
            finally:
                sys.setprofile(before)
                if collects:
                    gc.enable()
        if self._refused:  # and a `try` of the user's went on
            raise self._refused[0]
        for code, frame in frames.items():
            if LAYERS in Path(code.co_filename).parents:
                self.names.update(code.co_names)
            # The code of a named tuple has no file.
            if is_users_file(Path(code.co_filename)) and not frame.f_globals.get("__name__", "").startswith(
                "namedtuple_"
            ):
                self._look_at(code, frame)

    def _look_at(self, code: CodeType, frame: FrameType) -> None:
        place = f"{Path(code.co_filename).name}:{code.co_firstlineno}, {code.co_name}"
        for one in dis.get_instructions(code):
            name = one.argval
            if one.opname in CHANGES or (one.opname == "STORE_DEREF" and name in code.co_freevars):
                raise Impure(f"{place}, changes {name or 'an element'}")
            if one.opname.startswith("IMPORT"):
                raise Impure(f"{place}, imports {name}")
            if one.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                self.names.add(name)
                if name.startswith("__") and name.endswith("__") and name not in SPECIAL:
                    raise Impure(f"{place}, uses {name}")
            if one.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_NAME") and name in IMPURE:
                raise Impure(f"{place}, uses {name}")
            if one.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                if not is_fixed(frame.f_globals.get(name)):
                    raise Impure(f"{place}, reads the global {name}")
                self.globals.append((frame.f_globals, name, place))
        for name in code.co_freevars:
            found = frame.f_locals.get(name)
            if name != "__class__" and not (is_fixed(found) and _hashable(found)):
                raise Impure(f"{place}, reads {name} of the code around it")

    def _refusal(self, what: str) -> Callable[..., Any]:
        def refuse(*args: object, **options: object) -> None:
            self.refuse(f"it uses {what}")

        return refuse

    def refuse(self, what: str) -> None:
        """Raise `Impure`, and once more at the end of `watching`."""
        self._refused.append(Impure(what))
        raise self._refused[-1]


def is_plain_value(value: object) -> bool:
    """Whether a value can be compared: numbers, texts, and tuples, lists, sets and dicts of these."""
    if type(value) is dict:
        return all(is_plain_value(one) for pair in value.items() for one in pair)
    if type(value) in (tuple, list, set, frozenset):
        return all(is_plain_value(one) for one in value)  # type: ignore[attr-defined]
    return type(value) in PLAIN or isinstance(value, np.number | np.bool_)


def is_fixed(value: object) -> bool:
    """Whether a value means the same later: modules of pure functions, classes, functions, plain values."""
    if isinstance(value, ModuleType):
        return value.__name__.split(".")[0] in PURE_MODULES
    if isinstance(value, BuiltinFunctionType):
        owner = value.__self__
        return owner is None or (isinstance(owner, ModuleType) and is_fixed(owner)) or owner is torch._C
    if isinstance(value, functools.partial):
        return is_fixed(value.func) and is_plain_value(value.args) and is_plain_value(value.keywords)
    if _hashable(value) and value in FUNCTIONS_OF_TORCH:
        return True
    return isinstance(value, type | FunctionType) or is_plain_value(value)


def _functions_of_torch() -> set[object]:
    owners = (torch, torch.nn.functional, torch._C._nn, math, operator, builtins)
    return {
        value for owner in owners for value in vars(owner).values() if callable(value) and _hashable(value)
    }


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


FUNCTIONS_OF_TORCH = _functions_of_torch()


def is_users_file(path: Path) -> bool:
    """Whether it is neither PyTorch's nor Python's own; of these, names and globals tell what is used."""
    if LIBRARY in path.parents or KERNELS in path.parents or path.name.startswith("<frozen"):
        return False
    return STANDARD not in path.parents or "site-packages" in path.parts


SWITCHES: tuple[tuple[Any, str], ...] = (
    (torch.no_grad, "__enter__"),
    (torch.enable_grad, "__enter__"),
    (torch.inference_mode, "__enter__"),
    (torch.set_grad_enabled, "__init__"),
    (torch.autograd.Function, "apply"),
    (fx.Proxy, "__hash__"),  # for a dict, which would not find the number that it stands for
)


class _NoTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise Impure(f"it computes with a tensor of its own, {func}")
