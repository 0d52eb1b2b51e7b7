"""When training images were learned, and how often they were forgotten.

Source: Toneva et al. (2019), An empirical study of example forgetting during deep neural network learning,
ICLR (forgetting events).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np
from numpy.typing import NDArray

LEARNED = np.float16(0.5)
"""An image is learned in an epoch if the probability of the true class is above this: above all other classes
together, so no other class can be predicted. Toneva et al. count correct predictions, a weaker condition."""


@dataclass(frozen=True)
class LearningHistory:
    """How one recipe's runs learned each training image.

    Attributes
    ----------
    num_epochs
        The number of epochs recorded.
    epoch_learned
        float [num_images], the first epoch (counted from 1) from which the image stays learned to the end of
        training, median over seeds; infinite if most runs have not learned it at the end.
    num_forgotten
        float [num_images], forgetting events (learned in one epoch, not in the next), mean over seeds.
    """

    num_epochs: int
    epoch_learned: NDArray[np.float64]
    num_forgotten: NDArray[np.float64]

    @cached_property
    def usual_epoch_learned(self) -> float:
        """Median over all images."""
        return float(np.median(self.epoch_learned))

    @cached_property
    def usual_num_forgotten(self) -> float:
        """Mean over all images."""
        return float(self.num_forgotten.mean())


def learning_history(true_probability: NDArray[np.floating]) -> LearningHistory:
    """Summarize the training dynamics of one recipe.

    Parameters
    ----------
    true_probability
        float [num_seeds, num_epochs, num_images], probability of the true class after each epoch.
    """
    _, num_epochs, _ = true_probability.shape
    learned, forgotten = [], []
    for run in true_probability:
        is_learned = run > LEARNED
        not_learned_backwards = ~is_learned[::-1]
        num_last_epochs = np.where(
            not_learned_backwards.any(axis=0), not_learned_backwards.argmax(axis=0), num_epochs
        )
        learned.append(np.where(num_last_epochs > 0, num_epochs - num_last_epochs + 1.0, np.inf))
        forgotten.append((is_learned[:-1] & ~is_learned[1:]).sum(axis=0))
    return LearningHistory(
        num_epochs=num_epochs,
        epoch_learned=np.median(learned, axis=0),
        num_forgotten=np.mean(forgotten, axis=0),
    )


def summarize_history(history: LearningHistory, images: NDArray[np.int64]) -> dict[str, float]:
    """Compare how some training images were learned with the whole training split.

    Returns
    -------
    numbers
        `num_images`, of these images, and `num_all`; `num_epochs`; the median `epoch_learned` and the mean
        `num_forgotten` of these images, and of all as `epoch_learned_all` and `num_forgotten_all`. Epochs are
        infinite if most images are not learned at the end of training.
    """
    return {
        "num_images": len(images),
        "num_all": len(history.epoch_learned),
        "num_epochs": history.num_epochs,
        "epoch_learned": median(history.epoch_learned[images].tolist()),
        "epoch_learned_all": history.usual_epoch_learned,
        "num_forgotten": float(history.num_forgotten[images].mean()),
        "num_forgotten_all": history.usual_num_forgotten,
    }
