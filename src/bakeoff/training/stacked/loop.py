"""train_stacked(): many seeds of one recipe, trained at once; each gives what `train` gives."""

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
from bakeoff.training.records import EpochRecord, Observer, TrainedRun, TrainingFailure
from bakeoff.training.stacked.operations import Convolution
from bakeoff.training.stacked.parts import StackedParts
from bakeoff.training.state import Pace, StateStore, TrainingState

Told = tuple[int, EpochRecord | TrainingFailure | TrainedRun]


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
) -> Generator[Told, None, None]:
    """Train a recipe with many seeds at once.

    Each seed has weights, buffers, optimizer state, order of images, augmentation and dropout of its own,
    from the same random numbers as in `bakeoff.training.train`: results differ by rounding alone, except
    where a GPU draws dropout, whose numbers are others than a CPU's.

    Parameters
    ----------
    recipe, data
        As for `train`.
    seeds
        One run each.
    device
        Where the stack lives.
    vectorized, convolution
        As for `StackedModel`; `try_stacking` finds out whether a recipe's model can be vectorized.
    observers
        For each seed, who is told of each of its steps and epochs, after each epoch.
    state_stores
        For each seed, where its state is kept now and then. If all hold the state of the same epoch the
        stack goes on from there, else it begins anew.

    Yields
    ------
    tuple of the seed and one of
        EpochRecord, after each epoch, its time shared out equally among the seeds;
        TrainingFailure, once, for a seed whose loss is not finite: the others go on as if it were not there;
        TrainedRun, at the end.
    """
    parts = StackedParts(recipe, seeds, data, torch.device(device), vectorized, convolution)
    told_of = observers or [()] * len(seeds)
    states = _restored(parts, data, state_stores) or [
        TrainingState.new(recipe.epochs, len(data.train), len(data.val)) for _ in seeds
    ]
    for state, listening in zip(states, told_of, strict=True):
        state.tell(listening)
    alive, pace = list(range(len(seeds))), Pace()
    for epoch in range(len(states[0].history) + 1, recipe.epochs + 1):
        started = time.perf_counter()
        # A seed that failed stays in the stack, where nothing of it reaches the others.
        trained = parts.train_epoch(epoch)
        val_logits = parts.val_logits()
        seconds = (time.perf_counter() - started) / len(seeds)
        for index in alive.copy():
            state, kept = states[index], val_logits[index]
            val_loss, val_accuracy, true_probability = loss_and_accuracy(kept, data.val.labels)
            failure = trained.failure(index, epoch)
            if failure is None and not np.isfinite(val_loss):
                failure = TrainingFailure(f"validation loss is {val_loss} after epoch {epoch}")
            if failure is not None:
                alive.remove(index)
                yield seeds[index], failure
                continue
            steps = trained.steps(index)
            state.train_true_probability[epoch - 1] = trained.true_probability[index]
            state.val_true_probability[epoch - 1] = true_probability
            record = EpochRecord(
                epoch, trained.learning_rate, *trained.means(index), val_loss, val_accuracy, seconds
            )
            for listener in told_of[index]:
                for number, (loss, accuracy) in enumerate(steps, start=len(state.steps) + 1):
                    listener.on_step(number, loss, accuracy)
                listener.on_epoch(record)
            state.steps += steps
            state.history.append(record)
            if state.take_if_best(recipe.checkpoint, record, kept):
                state.best_weights = parts.kept.weights_of(index)
            yield seeds[index], record
        if not alive:
            return
        if state_stores is not None:
            pace.offer(lambda: _save(parts, states, alive, state_stores))
    for index in alive:
        model = parts.models[index].to(parts.device)
        run = finish_run(model, recipe, parts.preprocessing, states[index], data, str(parts.device))
        yield seeds[index], run


def _restored(
    parts: StackedParts, data: ImageData, stores: Sequence[StateStore] | None
) -> list[TrainingState] | None:
    """The states to go on from, put into the parts; None if there is not one of the same epoch for each."""
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
        return None  # damaged, or not of this recipe: it only costs the time to train again
    parts.load(states)
    return states


def _save(
    parts: StackedParts, states: Sequence[TrainingState], alive: Sequence[int], stores: Sequence[StateStore]
) -> None:
    for index in alive:
        model, optimizer, average = parts.state_of(index)
        state = replace(states[index], model=model, optimizer=optimizer, average=average)
        stores[index].save(state.to_bytes(), len(state.history), state.history[-1].val_accuracy)
