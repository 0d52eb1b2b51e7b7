"""What an interrupted run needs to go on as if nothing had happened."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.training.history import EpochRecord

SHARE_OF_TIME = 0.02
"""At most this share of a run's time is spent on writing its state."""

MIN_SECONDS_BETWEEN = 1.0


@dataclass
class TrainingState:
    """A run after a finished epoch. Random generators are not in it: each epoch draws from its own.

    Attributes
    ----------
    model, optimizer, average
        State dicts; the average of the weights is empty where the recipe has none.
    best_score, best_epoch, best_weights, best_val_logits
        Of the epoch that the checkpoint rule prefers so far.
    history
        One record an epoch so far.
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

    def to_bytes(self) -> bytes:
        """Serialise, to be read by `from_bytes` alone."""
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
        """Read what `to_bytes` gave. Only tensors and plain values are unpickled.

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
        except Exception as error:  # torch.load raises of many kinds on damaged files
            raise ValueError(f"the state of an interrupted run cannot be read: {error}") from error


class StateStore(Protocol):
    """Where the state of an unfinished run is kept."""

    def load(self) -> bytes | None:
        """What was saved last, or None."""

    def save(self, state: bytes, epoch: int, val_accuracy: float) -> None:
        """Replace what was saved last, completely or not at all."""


class StateSaver:
    """Saves the state of a run now and then, so that it costs little and a kill loses little."""

    def __init__(self, store: StateStore | None, clock: Callable[[], float] = time.perf_counter) -> None:
        self.store, self.clock = store, clock
        self.last_end = clock()
        self.last_cost = 0.0

    def offer(self, record: EpochRecord, state: Callable[[], TrainingState]) -> None:
        """Save if saving takes no more than its share of the time since the last save."""
        now = self.clock()
        if self.store is None or now - self.last_end < max(
            MIN_SECONDS_BETWEEN, self.last_cost / SHARE_OF_TIME
        ):
            return
        self.store.save(state().to_bytes(), record.epoch, record.val_accuracy)
        self.last_end = self.clock()
        self.last_cost = self.last_end - now
