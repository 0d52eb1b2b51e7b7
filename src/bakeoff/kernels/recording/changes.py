"""What a forward must not change: attributes, classes, globals, random generators."""

from __future__ import annotations

import pickle
import random
from types import FunctionType, ModuleType

import numpy as np
import torch
from torch import nn

from bakeoff.kernels.recording.conditions import INTERNAL
from bakeoff.kernels.recording.not_captured import NotCaptured, own_name


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
        name = own_name(path)
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
