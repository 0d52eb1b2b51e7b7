"""epoch_seconds(): how long an epoch of a recipe will take, from its first steps."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median

import torch

from bakeoff.data.image_data import ImageData, Split
from bakeoff.study.recipe import Recipe
from bakeoff.training.finish import COST_OF_EVALUATION
from bakeoff.training.loop import Parts, build_parts, train_epoch
from bakeoff.training.repeatable import denormals_as_zero
from bakeoff.training.state import TrainingState

FEW = 4
"""Images of the first step of all, which shows how many another may have."""

MOST_STEPS = 6


@denormals_as_zero()
def epoch_seconds(recipe: Recipe, data: ImageData, limit: float = 0.3) -> float | None:
    """Time some training steps of a recipe on one thread, and take an epoch as so many of them.

    The steps are those of training: the same model, augmentation, kernels and optimizer. Nothing is kept of
    them.

    Parameters
    ----------
    recipe
        The recipe.
    data
        What it will be trained on.
    limit
        About how long to try, in seconds.

    Returns
    -------
    float or None
        Of one epoch with its validation; None for other trainers and recipes that train on features, whose
        epochs are unlike the first, and if a step fails, as the run will then report.
    """
    if recipe.trainer is not None or recipe.trains_on_features:
        return None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a run
    try:
        with torch.random.fork_rng(devices=[]):
            per_image = _seconds_per_image(recipe, data, limit)
    except Exception:  # whatever a user's code raises
        return None
    finally:
        torch.set_num_threads(threads)
    return per_image * (len(data.train) + COST_OF_EVALUATION * len(data.val))


def _seconds_per_image(recipe: Recipe, data: ImageData, limit: float) -> float:
    parts = build_parts(recipe.model_copy(update={"sampling": None}), 0, data)
    parts.model.train()
    few, size = min(FEW, len(data.train)), min(recipe.batch_size, len(data.train))
    # The first step prepares what the others reuse.
    _time_step(parts, data.train, few)
    slowest = _time_step(parts, data.train, few) / few  # small batches take longer per image
    if slowest * size > limit:
        size = max(few, int(limit / slowest))
    seconds = [_time_step(parts, data.train, size)]
    while len(seconds) < MOST_STEPS and sum(seconds) + seconds[-1] < limit:
        seconds.append(_time_step(parts, data.train, size))
    return median(seconds) / size


def _time_step(parts: Parts, split: Split, size: int) -> float:
    """The time of a step with the first images of a split."""
    first = Split(split.images[:size], split.labels[:size], split.ids[:size])
    parts = replace(parts, recipe=parts.recipe.model_copy(update={"batch_size": size}))
    state = TrainingState.new(1, size, 0)
    start = time.perf_counter()
    train_epoch(parts, 1, first, state, ())
    return time.perf_counter() - start
