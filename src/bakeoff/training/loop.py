"""train(): the training loop of one recipe with one seed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from bakeoff.data.image_data import ImageData, Split
from bakeoff.kernels import describe_cpu
from bakeoff.kernels.recording.capture import Capture
from bakeoff.models.features import Inputs, model_inputs
from bakeoff.study.recipe import Recipe
from bakeoff.training.augmentation.apply import Augmentation
from bakeoff.training.batches import BatchMemory, EpochCount, epoch_order, split_into_batches
from bakeoff.training.check_training import captured_form
from bakeoff.training.evaluation import evaluated, loss_and_accuracy, predict_logits
from bakeoff.training.finish import finish_run
from bakeoff.training.parts.checkpoint import checkpoint_score
from bakeoff.training.parts.loss import Criterion, Loss, class_weights, criterion
from bakeoff.training.parts.model import build_model_for
from bakeoff.training.parts.optimizers import build_optimizer, learning_rate, set_learning_rate
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.records import EpochRecord, Observer, TrainedRun, TrainingFailure
from bakeoff.training.repeatable import Stream, denormals_as_zero, seed_of_run, torch_seed
from bakeoff.training.state import StateSaver, StateStore, TrainingState
from bakeoff.training.step import Passes, Stepper, build_average

TRAINING_VERSION = 4
"""Increase it with any change that alters the results of a run: it is part of each run's identity."""


@dataclass
class Parts:
    """The objects that take part in the training of one run."""

    recipe: Recipe
    seed: int
    inputs: Inputs
    preprocessing: Preprocessing
    augmentation: Augmentation
    model: nn.Module
    capture: Capture
    form: nn.Module
    criterion: Criterion
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None

    @property
    def evaluated_model(self) -> nn.Module:
        """The model that is evaluated and saved: the average of the weights if the recipe has one."""
        return self.average.module if self.average else self.model


def build_parts(recipe: Recipe, seed: int, data: ImageData) -> Parts:
    """The objects that take part in the training of a run, before its first step."""
    seed = seed_of_run(seed, recipe.vary)
    model = build_model_for(recipe.model, data, seed=torch_seed(seed, Stream.WEIGHTS)).to(
        memory_format=torch.channels_last
    )  # type: ignore[call-overload]
    preprocessing = Preprocessing.of(data, model)
    images = Inputs(data.train.images, data.val.images, data.test.images, preprocessing)
    capture = captured_form(recipe, model, data, preprocessing)
    return Parts(
        recipe,
        seed,
        model_inputs(recipe, model, images, data.fingerprint),
        preprocessing,
        Augmentation(recipe.augmentation, preprocessing, seed),
        model,
        capture,
        capture.form_of(model),
        criterion(recipe.loss, class_weights(recipe.loss, data.train.labels, data.num_classes)),
        build_optimizer(recipe.optimizer, model),
        build_average(model, recipe.ema_decay),
    )


@denormals_as_zero()
def train(
    recipe: Recipe,
    seed: int,
    data: ImageData,
    *,
    observers: Sequence[Observer] = (),
    state_store: StateStore | None = None,
    all_attributions: bool = False,
    metric: str = "accuracy",
) -> TrainedRun:
    """Train one recipe with one seed; the same arguments give the same bytes on the same machine.

    Runs in the calling thread; for reproducible results set torch to one thread first.

    Parameters
    ----------
    recipe
        What to train, and how.
    seed
        Determines all random numbers of the run.
    data
        Train fits the weights, val selects the epoch, test is used once, after the last epoch.
    observers
        Called for each step and epoch, including those before an interruption.
    state_store
        Saves the state of the run from time to time, and provides the state to resume from. The result of a
        resumed run has the same bytes as that of an uninterrupted one, except for times.
    all_attributions
        As for `finish_run`.
    metric
        Selects the epoch if the recipe's checkpoint is "best_val_score".

    Raises
    ------
    TrainingFailure
        If the loss is not finite; names the epoch and step.
    """
    parts = build_parts(recipe, seed, data)
    model, inputs = parts.model, parts.inputs
    model_with_tta = evaluated(parts.capture.form_of(parts.evaluated_model), recipe.test_time_augmentation)
    saver = StateSaver(state_store)
    state = _restore(state_store, parts, data, observers) or TrainingState.new(
        recipe.epochs, len(data.train), len(data.val)
    )

    while not state.ends(recipe):
        epoch = len(state.history) + 1
        started = time.perf_counter()
        if recipe.train_mode == "every_epoch" or epoch == 1:
            model.train()
        if recipe.sampling:
            state.keep_probabilities(epoch, data.num_classes)
        train_loss, train_accuracy = train_epoch(parts, epoch, data.train, state, observers)
        val_logits = predict_logits(model_with_tta, inputs.val, inputs.tensors)
        val_loss, val_accuracy, true_probability = loss_and_accuracy(val_logits, data.val.labels)
        if not np.isfinite(val_loss):
            raise TrainingFailure(f"validation loss is {val_loss} after epoch {epoch}")
        state.val_true_probability[epoch - 1] = true_probability
        record = EpochRecord(
            epoch,
            parts.optimizer.param_groups[0]["lr"],
            train_loss,
            train_accuracy,
            val_loss,
            val_accuracy,
            time.perf_counter() - started,
        )
        state.history.append(record)
        score = checkpoint_score(recipe.checkpoint, metric, record, val_logits, data.val.labels)
        if state.update_best(score, record, val_logits):
            weights = parts.evaluated_model.state_dict()
            state.best_weights = {name: value.detach().clone() for name, value in weights.items()}
        for observer in observers:
            observer.on_epoch(record)
        saver.offer(
            record,
            lambda: replace(
                state,
                model=model.state_dict(),
                optimizer=parts.optimizer.state_dict(),
                average=parts.average.state_dict() if parts.average else {},
            ),
            # So that a run that is interrupted while it is tested only repeats that.
            last=state.ends(recipe),
        )

    return finish_run(
        parts.evaluated_model,
        recipe,
        parts.preprocessing,
        state,
        data,
        describe_cpu(),
        inputs=inputs,
        capture=parts.capture,
        all_attributions=all_attributions,
    )


def _restore(
    store: StateStore | None, parts: Parts, data: ImageData, observers: Sequence[Observer]
) -> TrainingState | None:
    """Load the state to resume from into the parts, and replay the earlier epochs to the observers."""
    content = store.load() if store else None
    if content is None:
        return None
    try:
        state = TrainingState.from_bytes(content)
        shape = (parts.recipe.epochs, len(data.train), len(data.val), data.num_classes)
        state.check_fits(parts.model, parts.optimizer, parts.average, parts.evaluated_model, shape)
    except ValueError:
        return None  # damaged, or of another run: train from the start
    parts.model.load_state_dict(state.model)
    parts.optimizer.load_state_dict(state.optimizer)
    if parts.average:
        parts.average.load_state_dict(state.average)
    parts.model.eval()  # the mode after validation
    state.replay(observers)
    return state


def train_epoch(
    parts: Parts, epoch: int, split: Split, state: TrainingState, observers: Sequence[Observer]
) -> tuple[float, float]:
    """Train one epoch: mean loss and accuracy over its images; adds its steps and dynamics to the state."""
    recipe, model, augmentation = parts.recipe, parts.model, parts.augmentation
    # A model's own random layers (dropout) draw from torch's global generator on the CPU. torch.manual_seed
    # would also record the seed and a traceback for each type of GPU, in every epoch.
    torch.default_generator.manual_seed(torch_seed(parts.seed, Stream.LAYERS, epoch))
    augmentation.start_epoch(epoch)
    order = epoch_order(recipe.sampling, parts.seed, epoch, split.labels)
    batches = list(split_into_batches(order, recipe.batch_size))
    memory = BatchMemory(parts.inputs.train, max(map(len, batches)))
    # An optimizer of the user's may keep gradients, or put parameters into other memory.
    passes = Passes(parts.form, planned=":" not in recipe.optimizer.name)
    stepper = Stepper(parts.optimizer)
    count = EpochCount(split.labels, state.train_true_probability[epoch - 1])
    for index, indices in enumerate(batches):
        rate = learning_rate(recipe, len(state.steps) + index, len(batches))
        set_learning_rate(parts.optimizer, rate)
        labels = torch.from_numpy(split.labels[indices])
        pixels = augmentation.pixels(memory.gather(indices))
        images, blend = augmentation.tensors(parts.inputs.tensors(pixels, out=memory.standardized))
        logits, loss = passes(images, Loss(labels, parts.criterion, blend))
        if recipe.gradient_clipping:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clipping)
        stepper.step()
        if parts.average:
            parts.average.update_parameters(model)
        batch_loss = loss.item()
        if not math.isfinite(batch_loss):
            break
        count.add(indices, logits, batch_loss)

    count.finish()
    for step in count.steps:
        state.steps.append(step)
        for observer in observers:
            observer.on_step(len(state.steps), *step)
    if not math.isfinite(batch_loss):
        raise TrainingFailure(
            f"training loss is {batch_loss} in epoch {epoch}, step {len(count.steps) + 1} of {len(batches)}; "
            "a smaller learning rate may help"
        )
    return count.total_loss / len(split), count.num_right / len(split)
