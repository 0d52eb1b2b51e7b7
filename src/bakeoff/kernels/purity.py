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

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

LIBRARY, STANDARD = Path(torch.__file__).parent, Path(sysconfig.get_paths()["stdlib"])

CHANGES = {"STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_SUBSCR", "DELETE_SUBSCR"}
IMPURE = {
    "apply", "compile", "delattr", "enable_grad", "eval", "exec", "globals", "inference_mode", "input",
    "is_grad_enabled", "is_inference_mode_enabled", "locals", "next", "no_grad", "open", "print",
    "set_grad_enabled", "setattr", "vars",
}  # fmt: skip
"""Names of what changes something, reads what is not in the code, or sets how gradients are made."""

PURE_MODULES = ("torch", "math", "operator", "functools", "itertools", "typing", "collections", "builtins")
PLAIN = (int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device, torch.Size, slice)


class Impure(Exception):
    """The code that a forward runs could do something else later; the message says what it does."""


Watched = tuple[Mapping[str, Any], str, Any]
"""A namespace, a name in it, and the value that it has to keep."""


class Purity:
    """Looks at the code of a user's that runs inside `watching`.

    Attributes
    ----------
    names
        Of all attributes that this code reads.
    globals
        What it reads from its modules and has to stay as it is.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.globals: list[Watched] = []
        self._seen: set[CodeType] = set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Raise `Impure` if gradients are switched or tensors computed with; then look at what was run."""
        before, collects = sys.getprofile(), gc.isenabled()
        gc.disable()  # it would run code of others here, which ends what they no longer need
        with ExitStack() as stack:
            for owner, name in SWITCHES:
                stack.enter_context(patch.object(owner, name, _refuse(f"{owner.__name__}.{name}")))
            stack.enter_context(_NoTensors())  # type: ignore[no-untyped-call]
            frames: dict[CodeType, FrameType] = {}
            sys.setprofile(lambda frame, event, _: frames.setdefault(frame.f_code, frame) and None)
            try:
                yield
            finally:
                sys.setprofile(before)
                if collects:
                    gc.enable()
        for code, frame in frames.items():
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
            if one.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_NAME") and name in IMPURE:
                raise Impure(f"{place}, uses {name}")
            if one.opname in ("LOAD_GLOBAL", "LOAD_NAME") and name in frame.f_globals:
                self.globals.append(_watch(frame.f_globals, name, f"{place}, reads the global {name}"))
        for name in code.co_freevars:
            found = frame.f_locals.get(name)
            if name != "__class__" and not (is_fixed(found) and _hashable(found)):
                raise Impure(f"{place}, reads {name} of the code around it")

    def watched(self, model: nn.Module) -> list[Watched]:
        """What has to keep its value for the record to hold: of this model, its classes, and the globals.

        Raises
        ------
        Impure
            If code reads something of the model whose value cannot be compared.
        """
        found = list(self.globals)
        for path, module in model.named_modules():
            for key, value in vars(module).items():
                # A tensor is recorded by its name: what is in it is read in each call.
                if key in self.names and key not in INTERNAL and not isinstance(value, torch.Tensor):
                    found.append(_watch(vars(module), key, _could_change(path or "the model", key, value)))
            for kind in type(module).__mro__:
                if kind.__module__.startswith("torch.") or kind is object:
                    break
                for key, value in vars(kind).items():
                    if key in self.names and not isinstance(value, property | staticmethod | classmethod):
                        found.append(_watch(vars(kind), key, _could_change(kind.__name__, key, value)))
        return found


INTERNAL = {*vars(nn.Module()), "training"}


def is_plain_value(value: object) -> bool:
    """Whether a value can be compared: numbers, texts, and tuples, lists, sets and dicts of these."""
    if isinstance(value, dict):
        return all(is_plain_value(one) for pair in value.items() for one in pair)
    if type(value) in (tuple, list, set, frozenset):
        return all(is_plain_value(one) for one in value)  # type: ignore[attr-defined]
    return isinstance(value, PLAIN)


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


def _watch(namespace: Mapping[str, Any], key: str, refusal: str) -> Watched:
    """What a name has to keep meaning; raise `Impure` with the refusal if that cannot be told."""
    value = namespace[key]
    if not is_fixed(value):
        raise Impure(refusal)
    return namespace, key, _copied(value)


def _could_change(owner: str, key: str, value: object) -> str:
    return f"{owner}.{key} is {type(value).__name__}, whose state could change"


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return type(value)(map(_copied, value)) if type(value) in (list, set) else value


def is_users_file(path: Path) -> bool:
    """Whether it is neither PyTorch's nor Python's own; of these, names and globals tell what is used."""
    if LIBRARY in path.parents or path.parent == Path(__file__).parent or path.name.startswith("<frozen"):
        return False
    return STANDARD not in path.parents or "site-packages" in path.parts


def _refuse(what: str) -> Callable[..., Any]:
    def refuse(*args: object, **options: object) -> None:
        raise Impure(f"it uses {what}")

    return refuse


SWITCHES: tuple[tuple[Any, str], ...] = (
    (torch.no_grad, "__enter__"),
    (torch.enable_grad, "__enter__"),
    (torch.inference_mode, "__enter__"),
    (torch.set_grad_enabled, "__init__"),
    (torch.autograd.Function, "apply"),
)


class _NoTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise Impure(f"it computes with a tensor of its own, {func}")
