"""What is recorded of each epoch, and what a finished run gives."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.training.attribution import Attributions
from bakeoff.training.preprocessing import Preprocessing


@dataclass(frozen=True)
class EpochRecord:
    """One line of history.csv. Losses and accuracies are means over images."""

    epoch: int
    """Counted from 1."""
    learning_rate: float
    """Of the last step."""
    train_loss: float
    """What was minimised, while training: each image counts as it was when its batch came."""
    train_accuracy: float
    val_loss: float
    """After the epoch, in evaluation mode."""
    val_accuracy: float
    seconds: float
    """Wall time of the epoch: training and validation."""


HISTORY_COLUMNS = tuple(field.name for field in fields(EpochRecord))


@dataclass(frozen=True)
class TrainedRun:
    """One recipe trained with one seed.

    Attributes
    ----------
    weights
        State dict of the chosen epoch.
    preprocessing
        What an image must go through before these weights.
    history
        One record an epoch.
    checkpoint_epoch
        The epoch whose weights were kept, counted from 1.
    val_logits, test_logits
        float32 [num_images, num_classes] of the kept weights.
    train_true_probability
        float16 [num_epochs, num_train_images]: probability of the true class when the image's batch came,
        as augmentation had made it.
    val_true_probability
        float16 [num_epochs, num_val_images]: the same after each epoch.
    num_parameters
        Trainable parameters.
    test_features, train_features
        float16 [num_images, num_features], from `penultimate_features`; None where the model has none.
    attributions
        Of the test images that the run gets wrong; None where the model has no gradient.
    device
        What computed it, such as "cpu, avx512 kernels".
    """

    weights: dict[str, Tensor]
    preprocessing: Preprocessing
    history: list[EpochRecord]
    checkpoint_epoch: int
    val_logits: NDArray[np.float32]
    test_logits: NDArray[np.float32]
    train_true_probability: NDArray[np.float16]
    val_true_probability: NDArray[np.float16]
    num_parameters: int
    test_features: NDArray[np.float16] | None
    train_features: NDArray[np.float16] | None
    attributions: Attributions | None = None
    device: str = "cpu"


class Observer(Protocol):
    """Who wants to see a run while it goes on: TensorBoard, the display. All methods return at once."""

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Once the training images of an epoch have been gone through, for each step that there was, counted
        from 1 over the whole run; means over the batch."""

    def on_epoch(self, record: EpochRecord) -> None:
        """After an epoch's validation."""


class TrainingFailure(Exception):
    """A run that cannot go on, with the reason; the other runs of the study do."""
