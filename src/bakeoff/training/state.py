"""The state of an unfinished run, from which it can be resumed with identical results."""

from __future__ import annotations

import copy
import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.study.recipe import Recipe
from bakeoff.training.records import EpochRecord, Observer

SHARE_OF_TIME = 0.005
"""The largest share of a run's time that is spent on saving its state."""

MIN_SECONDS_BETWEEN = 1.0
"""Also of its start and the first time."""


@dataclass
class TrainingState:
    """A run after a finished epoch. It has no random generators, because each epoch has its own.

    Attributes
    ----------
    model, optimizer, average
        State dicts; the average of the weights is empty if the recipe has none.
    best_score, best_epoch, best_weights, best_val_logits
        Of the best epoch so far by the checkpoint rule.
    history
        One record per epoch so far.
    steps
        (loss, accuracy) of each training step so far.
    train_true_probability, val_true_probability
        float16 [num_epochs, num_images]; rows of epochs to come are 0.
    """

    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    average: dict[str, Tensor]
    best_score: float
    best_epoch: int
    best_weights: dict[str, Tensor]
    best_val_logits: NDArray[np.float32]
    history: list[EpochRecord]
    steps: list[tuple[float, float]]
    train_true_probability: NDArray[np.float16]
    val_true_probability: NDArray[np.float16]

    @classmethod
    def new(cls, num_epochs: int, num_train: int, num_val: int) -> TrainingState:
        """Before the first epoch."""
        return cls(
            model={},
            optimizer={},
            average={},
            best_score=-np.inf,
            best_epoch=0,
            best_weights={},
            best_val_logits=np.zeros((0, 0), np.float32),
            history=[],
            steps=[],
            train_true_probability=np.zeros((num_epochs, num_train), np.float16),
            val_true_probability=np.zeros((num_epochs, num_val), np.float16),
        )

    def ends(self, recipe: Recipe) -> bool:
        """Whether the run is trained: after all epochs, without a better one for long, or its time is up."""
        epoch = len(self.history)
        if epoch == recipe.epochs:
            return True
        seconds = math.fsum(record.seconds for record in self.history)
        if recipe.max_minutes is not None and seconds >= 60 * recipe.max_minutes:
            return True
        best = self.best_epoch
        if recipe.checkpoint == "last":
            accuracies = [record.val_accuracy for record in self.history]
            best = 1 + accuracies.index(max(accuracies)) if accuracies else 0
        return recipe.patience is not None and epoch - best >= recipe.patience

    def update_best(self, score: float, record: EpochRecord, val_logits: NDArray[np.float32]) -> bool:
        """Record the epoch if its `checkpoint_score` is the best so far; the caller adds its weights."""
        if score <= self.best_score:
            return False
        self.best_score, self.best_epoch, self.best_val_logits = score, record.epoch, val_logits
        return True

    def keep_probabilities(self, epoch: int, num_classes: int) -> None:
        """Begin an epoch that may leave images out: they keep their probability, at first 1 / classes."""
        before = self.train_true_probability[epoch - 2] if epoch > 1 else 1 / num_classes
        self.train_true_probability[epoch - 1] = before

    def replay(self, observers: Sequence[Observer]) -> None:
        """Call observers for all steps and epochs so far."""
        steps_per_epoch = len(self.steps) // max(len(self.history), 1)
        for index, record in enumerate(self.history):
            for observer in observers:
                for step in range(index * steps_per_epoch, (index + 1) * steps_per_epoch):
                    observer.on_step(step + 1, *self.steps[step])
                observer.on_epoch(record)

    def to_bytes(self) -> bytes:
        """Serialize, for `from_bytes`."""
        content = {
            "model": self.model,
            "optimizer": self.optimizer,
            "average": self.average,
            "best_score": float(self.best_score),
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "best_val_logits": torch.from_numpy(self.best_val_logits),
            "history": [asdict(record) for record in self.history],
            "steps": torch.tensor(self.steps, dtype=torch.float64),
            "train_true_probability": torch.from_numpy(self.train_true_probability),
            "val_true_probability": torch.from_numpy(self.val_true_probability),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> TrainingState:
        """Deserialize the result of `to_bytes`. Only tensors and plain values are unpickled.

        Raises
        ------
        ValueError
            If the content is damaged.
        """
        try:
            state = torch.load(io.BytesIO(content), weights_only=True)
            for name in ("best_val_logits", "train_true_probability", "val_true_probability"):
                state[name] = state[name].numpy()
            state["history"] = [EpochRecord(**record) for record in state["history"]]
            state["steps"] = [(loss, accuracy) for loss, accuracy in state["steps"].tolist()]
            return cls(**state)
        except Exception as error:  # torch.load raises many exceptions on damaged files
            raise ValueError(f"the state of an interrupted run cannot be read: {error}") from error

    def check_fits(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: nn.Module | None,
        evaluated_model: nn.Module,
        shape: tuple[int, int, int, int],
    ) -> None:
        """Check that a run with these parts can resume from this state; nothing is loaded into them.

        An undamaged state with the right identity can still belong to another model or optimizer: one that
        was copied there, or of a library version whose optimizer has another state.

        Parameters
        ----------
        model, optimizer, average
            What the state would be loaded into.
        evaluated_model
            The model that is evaluated and saved: the average, if there is one.
        shape
            (num_epochs, num_train_images, num_val_images, num_classes)

        Raises
        ------
        ValueError
            If it cannot; names the first part that does not fit.
        """
        num_epochs, num_train, num_val, num_classes = shape
        expected = {
            "model": model.state_dict(),
            "average": average.state_dict() if average else {},
            "best_weights": evaluated_model.state_dict(),
            "best_val_logits": np.zeros((num_val, num_classes), np.float32),
            "train_true_probability": np.zeros((num_epochs, num_train), np.float16),
            "val_true_probability": np.zeros((num_epochs, num_val), np.float16),
        }
        for name, value in expected.items():
            if _structure(getattr(self, name)) != _structure(value):
                raise ValueError(f"the state of an interrupted run: {name} has another structure")
        if not _fits_optimizer(optimizer, self.optimizer):
            raise ValueError("the state of an interrupted run is of another optimizer")
        if not self._has_complete_epochs(num_epochs):
            raise ValueError("the history of an interrupted run does not have complete epochs")

    def _has_complete_epochs(self, num_epochs: int) -> bool:
        epochs = [record.epoch for record in self.history]
        numbers = [self.best_score, *(value for record in self.history for value in asdict(record).values())]
        return (
            0 < len(epochs) <= num_epochs
            and epochs == list(range(1, len(epochs) + 1))
            and self.best_epoch in epochs
            and len(self.steps) >= len(epochs)
            and len(self.steps) % len(epochs) == 0
            and all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
        )


def _fits_optimizer(optimizer: torch.optim.Optimizer, state: object) -> bool:
    """Whether a state dict has the structure of this optimizer's state."""
    stepped = _state_after_step(optimizer)
    if not isinstance(state, dict):
        return False
    if _structure(state.get("param_groups")) != _structure(stepped["param_groups"]):
        return False
    entries = state.get("state")
    # A parameter that never had a gradient has no entry.
    return isinstance(entries, dict) and all(
        key in stepped["state"] and _structure(entry) == _structure(stepped["state"][key])
        for key, entry in entries.items()
    )


def _state_after_step(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state dict of a copy of an optimizer after a step, because before the first one it is empty."""
    trial = copy.deepcopy(optimizer)
    for group in trial.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    trial.step()
    return trial.state_dict()


def _structure(value: object) -> object:
    """The structure of a value: names, types and shapes, without numbers."""
    if isinstance(value, Tensor | np.ndarray):
        return (type(value).__name__, str(value.dtype), tuple(value.shape))
    if isinstance(value, dict):
        return {key: _structure(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_structure, value)]
    return type(value).__name__


class StateStore(Protocol):
    """Stores the state of an unfinished run."""

    def load(self) -> bytes | None:
        """The state saved last, or None."""

    def save(self, state: bytes, epoch: int, val_accuracy: float) -> None:
        """Replace the state saved last, completely or not at all."""


class Pace:
    """Limits how often something is saved, so that saving costs little and a kill loses little."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.last_end = clock()
        self.last_cost = 0.0

    def offer(self, save: Callable[[], None], *, last: bool = False) -> None:
        """Call `save` if it takes at most `SHARE_OF_TIME` of the time since the last call, or is the last.

        Not within `MIN_SECONDS_BETWEEN`, not even the last: training again takes as little.
        """
        now = self.clock()
        seconds = now - self.last_end
        if seconds < MIN_SECONDS_BETWEEN or (not last and seconds < self.last_cost / SHARE_OF_TIME):
            return
        save()
        self.last_end = self.clock()
        self.last_cost = self.last_end - now


class StateSaver:
    """Saves the state of a run from time to time."""

    def __init__(self, store: StateStore | None, clock: Callable[[], float] = time.perf_counter) -> None:
        self.store, self.pace = store, Pace(clock)

    def offer(self, record: EpochRecord, state: Callable[[], TrainingState], *, last: bool = False) -> None:
        """Save the state if it is time to; that of the last epoch sooner, see `Pace`."""
        if (store := self.store) is not None:
            self.pace.offer(
                lambda: store.save(state().to_bytes(), record.epoch, record.val_accuracy), last=last
            )
