"""Optimizers and learning rate schedules from their settings."""

from __future__ import annotations

import math

import torch
from torch import nn

from bakeoff.study.recipe import (
    AdamSettings,
    AdamWSettings,
    ConstantSchedule,
    CosineSchedule,
    Recipe,
    SGDSettings,
    StepSchedule,
)


def build_optimizer(
    settings: AdamSettings | AdamWSettings | SGDSettings, model: nn.Module
) -> torch.optim.Optimizer:
    """The optimizer over all trainable parameters of the model."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if isinstance(settings, SGDSettings):
        return torch.optim.SGD(
            parameters, settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
        )
    kind = torch.optim.AdamW if isinstance(settings, AdamWSettings) else torch.optim.Adam
    return kind(parameters, settings.lr, betas=settings.betas, weight_decay=settings.weight_decay)


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1."""
    schedule, initial = recipe.schedule, recipe.optimizer.lr
    match schedule:
        case ConstantSchedule():
            return initial
        case StepSchedule():
            return initial * schedule.gamma ** ((epoch - 1) // schedule.step_size)
        case CosineSchedule():
            done = (epoch - 1) / recipe.epochs
            return schedule.final_lr + (initial - schedule.final_lr) * (1 + math.cos(math.pi * done)) / 2
