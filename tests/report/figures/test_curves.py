"""The sentence under the curves says what they hold, also where it is unusual."""

import numpy as np
import pytest

from bakeoff.analysis.summary.recipes import Curves, OverSeeds
from bakeoff.report.figures.curves import _describe_losses


@pytest.mark.parametrize(
    ("train", "val", "sentence"),
    [
        (
            [2.0, 1.0, 0.5],
            [1.9, 1.5, 1.75],
            "Mean training loss falls from 2.00 to 0.50; mean validation loss is lowest at epoch 2 (1.50) "
            "and 0.25 higher after the last epoch while training loss falls: overfitting from epoch 3 on.",
        ),
        (
            [1.0, 2.0, 3.0],
            [1.9, 1.5, 1.25],
            "Mean training loss does not fall: it changes from 1.00 to 3.00; mean validation loss is lowest "
            "after the last epoch (1.25).",
        ),
        ([2.0], [1.9], "After the only epoch: training 2.00, validation 1.90."),
    ],
)
def test_losses(train: list[float], val: list[float], sentence: str) -> None:
    unknown = OverSeeds(np.full(len(train), np.nan), np.full((1, len(train)), np.nan))
    losses = (OverSeeds(np.array(values), np.array([values])) for values in (train, val))
    train_loss, val_loss = losses
    curves = Curves(tuple(range(1, len(train) + 1)), train_loss, unknown, val_loss, unknown)
    assert _describe_losses(curves) == sentence
