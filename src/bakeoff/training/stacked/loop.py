"""train_stacked(): train many seeds of one recipe together; each has the result of `train`."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
import torch

from bakeoff.data.image_data import ImageData
from bakeoff.study.recipe import Recipe
from bakeoff.training.evaluation import loss_and_accuracy
from bakeoff.training.finish import finish_run
from bakeoff.training.parts.checkpoint import checkpoint_score
from bakeoff.training.records import EpochRecord, Observer, TrainedRun, TrainingFailure
from bakeoff.training.stacked.operations import Convolution
from bakeoff.training.stacked.parts import StackedParts
from bakeoff.training.state import Pace, StateStore, TrainingState

SeedResult = tuple[int, EpochRecord | TrainingFailure | TrainedRun]
"""A seed, and its new record, failure or result."""


def train_stacked(
    recipe: Recipe,
    seeds: Sequence[int],
    data: ImageData,
    device: torch.device | str,
    *,
    vectorized: bool = True,
    convolution: Convolution = "grouped",
    observers: Sequence[Sequence[Observer]] | None = None,
    state_stores: Sequence[StateStore] | None = None,
    all_attributions: bool = False,
    metric: str = "accuracy",
) -> Generator[SeedResult, None, None]:
    """Train a recipe with many seeds together.

    Each seed has its own weights, buffers, optimizer state, order of images, augmentation and dropout, with
    the same random numbers as in `bakeoff.training.train`: results differ only by rounding, except for
    dropout on a GPU, whose random numbers differ from a CPU's.

    Parameters
    ----------
    recipe, data
        As for `train`.
    seeds
        One run each.
    device
        The device of the stack.
    vectorized, convolution
        As for `StackedModel`; `try_stacking` finds out whether a recipe's model can be vectorized.
    observers
        For each seed, called for its steps and epochs, after each epoch.
    state_stores
        For each seed, where its state is saved from time to time. If all have a state of the same epoch,
        training resumes from it, otherwise it starts over.
    all_attributions
        As for `finish_run`.
    metric
        As for `train`.

    Yields
    ------
    tuple of the seed and one of
        EpochRecord, after each epoch, with the time divided equally among the seeds;
        TrainingFailure, once, for a seed whose loss is not finite: the others are not affected;
        TrainedRun, at the end.
    """
    parts = StackedParts(recipe, seeds, data, torch.device(device), vectorized, convolution)
    observers_of = observers or [()] * len(seeds)
    states = _restored(parts, data, state_stores) or [
        TrainingState.new(recipe.epochs, len(data.train), len(data.val)) for _ in seeds
    ]
    for state, seed_observers in zip(states, observers_of, strict=True):
        state.replay(seed_observers)
    alive, pace = list(range(len(seeds))), Pace()
    for epoch in range(len(states[0].history) + 1, recipe.epochs + 2):
        for index in [one for one in alive if states[one].ends(recipe)]:
            # A seed that has ended stays in the stack, like one that has failed.
            alive.remove(index)
            yield seeds[index], _finish(parts, states[index], index, all_attributions)
        if not alive:
            return
        started = time.perf_counter()
        # A failed seed stays in the stack, where it does not affect the others.
        trained = parts.train_epoch(epoch)
        val_logits = parts.val_logits()
        seconds = (time.perf_counter() - started) / len(seeds)
        for index in alive.copy():
            state, logits = states[index], val_logits[index]
            val_loss, val_accuracy, true_probability = loss_and_accuracy(logits, data.val.labels)
            failure = trained.failure(index, epoch)
            if failure is None and not np.isfinite(val_loss):
                failure = TrainingFailure(f"validation loss is {val_loss} after epoch {epoch}")
            if failure is not None:
                alive.remove(index)
                yield seeds[index], failure
                continue
            steps = trained.steps(index)
            if recipe.sampling:
                state.keep_probabilities(epoch, data.num_classes)
            seen = np.isfinite(trained.true_probability[index])
            state.train_true_probability[epoch - 1][seen] = trained.true_probability[index][seen]
            state.val_true_probability[epoch - 1] = true_probability
            record = EpochRecord(
                epoch, trained.learning_rate, *trained.means(index), val_loss, val_accuracy, seconds
            )
            for observer in observers_of[index]:
                for number, (loss, accuracy) in enumerate(steps, start=len(state.steps) + 1):
                    observer.on_step(number, loss, accuracy)
                observer.on_epoch(record)
            state.steps += steps
            state.history.append(record)
            score = checkpoint_score(recipe.checkpoint, metric, record, logits, data.val.labels)
            if state.update_best(score, record, logits):
                state.best_weights = parts.evaluated_model.weights_of(index)
            yield seeds[index], record
        if alive and state_stores is not None:
            last = any(states[index].ends(recipe) for index in alive)
            pace.offer(lambda: _save(parts, states, alive, state_stores), last=last)


def _finish(parts: StackedParts, state: TrainingState, index: int, all_attributions: bool) -> TrainedRun:
    return finish_run(
        parts.models[index].to(parts.device),
        parts.recipe,
        parts.preprocessing,
        state,
        parts.data,
        str(parts.device),
        all_attributions=all_attributions,
    )


def _restored(
    parts: StackedParts, data: ImageData, stores: Sequence[StateStore] | None
) -> list[TrainingState] | None:
    """Load the states to resume from into the parts; None if not all seeds have one of the same epoch."""
    contents = [store.load() for store in stores or ()]
    if not contents or None in contents:
        return None
    try:
        states = [TrainingState.from_bytes(content) for content in contents if content is not None]
        shape = (parts.recipe.epochs, len(data.train), len(data.val), data.num_classes)
        for index, state in enumerate(states):
            state.check_fits(*parts.solo(index), shape)
        if len({len(state.history) for state in states}) != 1:
            return None
    except ValueError:
        return None  # damaged, or of another recipe: train from the start
    parts.load(states)
    return states


def _save(
    parts: StackedParts, states: Sequence[TrainingState], alive: Sequence[int], stores: Sequence[StateStore]
) -> None:
    for index in alive:
        model, optimizer, average = parts.state_of(index)
        state = replace(states[index], model=model, optimizer=optimizer, average=average)
        stores[index].save(state.to_bytes(), len(state.history), state.history[-1].val_accuracy)
