"""Optimizers and learning rate schedules from their settings."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from bakeoff.errors import BakeoffError
from bakeoff.models.pretrained import Pretrained
from bakeoff.own_code import import_callable, import_class
from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.optimization import (
    AdamSettings,
    AdamWSettings,
    ConstantSchedule,
    CosineSchedule,
    OneCycleSchedule,
    OwnOptimizerSettings,
    OwnScheduleSettings,
    SGDSettings,
    StepSchedule,
)
from bakeoff.text import shorten

LR_FACTOR = "lr_factor"
"""The key of a group of parameters whose learning rate is multiplied by its value."""

FUSED_ON = ("cpu", "cuda")
"""Types of devices on which PyTorch has fused steps of SGD, Adam and AdamW."""

Kind = TypeVar("Kind", bound=type[torch.optim.Optimizer])


def _without_compiler(kind: Kind) -> Kind:
    """The same class without the wrappers that load PyTorch's compiler: one second and 70 MiB per process."""
    names = ("add_param_group", "zero_grad", "step", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    methods["step"] = torch.no_grad()(methods["step"])  # as its wrapper does
    return cast(Kind, type(kind.__name__, (kind,), methods))


SGD = _without_compiler(torch.optim.SGD)

Adam = _without_compiler(torch.optim.Adam)

AdamW = _without_compiler(torch.optim.AdamW)


def build_optimizer(
    settings: AdamSettings | AdamWSettings | SGDSettings | OwnOptimizerSettings, model: nn.Module
) -> torch.optim.Optimizer:
    """The optimizer of all trainable parameters of the model, with fused steps where PyTorch has them.

    Raises
    ------
    BakeoffError
        If a user's own class cannot be imported, is no optimizer or does not accept its options.
    """
    parameters: list[Any] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    fused = _has_fused_step(parameters) or None  # None: PyTorch chooses among the other implementations
    if isinstance(model, Pretrained) and model.head_lr_factor != 1:
        parameters = _with_head_apart(parameters, model)
    if isinstance(settings, OwnOptimizerSettings):
        return _own_optimizer(settings, parameters)
    if isinstance(settings, SGDSettings):
        return SGD(
            parameters,
            settings.lr,
            momentum=settings.momentum,
            nesterov=settings.nesterov,
            weight_decay=settings.weight_decay,
            fused=fused,
        )
    kind = AdamW if isinstance(settings, AdamWSettings) else Adam
    return kind(
        parameters, settings.lr, betas=settings.betas, weight_decay=settings.weight_decay, fused=fused
    )


def _with_head_apart(parameters: list[nn.Parameter], model: Pretrained) -> list[dict[str, Any]]:
    """Two groups of parameters, of which the head has another learning rate."""
    head = model.head_parameters
    rest = [one for one in parameters if not any(one is other for other in head)]
    groups: list[dict[str, Any]] = [{"params": rest}, {"params": head, LR_FACTOR: model.head_lr_factor}]
    return [group for group in groups if group["params"]]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of a step, with the factor of the head."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(LR_FACTOR, 1.0)


def _own_optimizer(settings: OwnOptimizerSettings, parameters: list[Any]) -> torch.optim.Optimizer:
    own = import_class(settings.name, "optimizer")
    try:
        optimizer = own(parameters, lr=settings.lr, **settings.options)
    except Exception as error:  # whatever a user's class raises
        raise BakeoffError(f"optimizer {settings.name!r} cannot be built: {error}") from error
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise BakeoffError(
            f"optimizer {settings.name!r} is a {type(optimizer).__name__}; expected a torch.optim.Optimizer"
        )
    return optimizer


def _has_fused_step(parameters: Sequence[Tensor]) -> bool:
    return all(
        parameter.is_floating_point() and parameter.device.type in FUSED_ON for parameter in parameters
    )


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0 over the whole run."""
    schedule, initial = recipe.schedule, recipe.optimizer.lr
    total = recipe.epochs * steps_per_epoch
    match schedule:
        case ConstantSchedule():
            return initial
        case OwnScheduleSettings():
            return initial * _own_factor(schedule, step, total)
        case StepSchedule():
            return initial * schedule.gamma ** (step // steps_per_epoch // schedule.step_size)
        case CosineSchedule():
            warmup = schedule.warmup_epochs * steps_per_epoch
            if step < warmup:
                return initial * (step + 1) / (math.floor(warmup) + 1)
            return _half_cosine(initial, schedule.final_lr, (step - warmup) / max(total - warmup, 1))
        case OneCycleSchedule():
            start = initial / schedule.div_factor
            # Indices of the last step of the warmup and of the last step.
            peak, end = schedule.warmup_share * total - 1, total - 1
            if step <= peak:
                return _half_cosine(start, initial, step / peak) if peak > 0 else initial
            return _half_cosine(initial, start / schedule.final_div_factor, (step - peak) / (end - peak))


def _own_factor(settings: OwnScheduleSettings, step: int, num_steps: int) -> float:
    own = import_callable(settings.name, "schedule")
    try:
        factor = own(step, num_steps, **settings.options)
    except Exception as error:  # whatever a user's function raises
        raise BakeoffError(f"schedule {settings.name!r} failed in step {step}: {error}") from error
    if not isinstance(factor, int | float) or not (math.isfinite(factor) and factor >= 0):
        raise BakeoffError(
            f"schedule {settings.name!r} returned {shorten(factor)} for step {step} of {num_steps}; "
            "expected a finite number, 0 or more"
        )
    return float(factor)


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
