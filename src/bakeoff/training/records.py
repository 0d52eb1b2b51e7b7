"""The records of each epoch, and the result of a finished run."""

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
    """The training objective, averaged during the epoch: for each image as of its batch's step."""
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
        State dict of the checkpoint.
    preprocessing
        The preprocessing of the model's input images.
    history
        One record per epoch.
    checkpoint_epoch
        The epoch of the checkpoint, counted from 1.
    val_logits, test_logits
        float32 [num_images, num_classes] of the checkpoint.
    train_true_probability
        float16 [num_epochs, num_train_images]: probability of the true class of each (augmented) image in its
        batch's training step; no epochs if another trainer trained it, here and in the next.
    val_true_probability
        float16 [num_epochs, num_val_images]: the same for validation images after each epoch.
    num_parameters
        Trainable parameters.
    test_features, train_features
        float16 [num_images, num_features], from `penultimate_features`; None if the model has none.
    attributions
        Of the test images that the run misclassifies; None if the model has no gradient.
    device
        What the run was computed on, such as "cpu, avx512 kernels".
    exported
        The model of another trainer as a program of PyTorch (torch.export); its weights are not in `weights`.
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
    exported: bytes | None = None


class Observer(Protocol):
    """Follows a run during training: TensorBoard, the display. Methods must return quickly."""

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Called for each step, at the end of its epoch's training; steps are counted from 1 over the whole
        run, loss and accuracy are means over the batch."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Called after an epoch's validation."""


class TrainingFailure(Exception):
    """A run cannot continue, for the reason in the message; the other runs of the study can."""
