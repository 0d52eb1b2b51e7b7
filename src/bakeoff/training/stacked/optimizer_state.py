"""The state of a stack's optimizer as the states that each seed's own optimizer would have, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def state_of_seed(optimizer: torch.optim.Optimizer, index: int) -> dict[str, Any]:
    """The state dict of one seed's optimizer, on the CPU."""
    whole = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = {
        key: {
            name: _slice(value, index, parameters[key].shape) if isinstance(value, Tensor) else value
            for name, value in entry.items()
        }
        for key, entry in whole["state"].items()
    }
    return {"state": state, "param_groups": whole["param_groups"]}


def load_states(optimizer: torch.optim.Optimizer, states: Sequence[dict[str, Any]]) -> None:
    """Put in the state dicts of all seeds' optimizers, which have made as many steps each."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    first = states[0]
    merged = {
        key: {
            name: torch.stack([state["state"][key][name] for state in states])
            if isinstance(value, Tensor) and value.shape == parameters[key].shape[1:] and name != "step"
            else value
            for name, value in entry.items()
        }
        for key, entry in first["state"].items()
    }
    optimizer.load_state_dict({"state": merged, "param_groups": first["param_groups"]})


def _slice(value: Tensor, index: int, shape: torch.Size) -> Tensor:
    """A seed's part of what is kept for each weight; a count of steps is the same for all."""
    return (value[index] if value.shape == shape else value).detach().to("cpu", copy=True)
