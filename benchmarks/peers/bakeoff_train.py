"""Bakeoff, as its worker processes train: with TensorBoard and the history of each training image.

What follows the last epoch (test, features, attributions, files), the report, and the state to resume from
(2 % of the time at most; a pause would have it written at each epoch) are part of the whole study, which is
timed apart, with `bakeoff run`.
"""

from __future__ import annotations

import torch
from work import EpochDone, Work

from bakeoff.data import load_data
from bakeoff.study import load_study
from bakeoff.training import EpochRecord
from bakeoff.training import train as train_run
from bakeoff.training.tensorboard import TensorBoardLog


class Observer:
    def __init__(self, epoch_done: EpochDone) -> None:
        self.epoch_done = epoch_done

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        self.epoch_done()


def train(work: Work, epoch_done: EpochDone) -> list[float]:
    study = load_study("lenet5-stl10", source=f"splits:{work.folder}", epochs=work.epochs)
    data = load_data(study.data)
    accuracies = []
    for seed in work.seeds:
        with TensorBoardLog(work.scratch / f"seed-{seed}") as log:
            observers = [log, Observer(epoch_done)]
            run = train_run(study.recipes[work.recipe.name], seed, data, observers=observers)
        right = torch.from_numpy(run.test_logits).argmax(1).numpy() == data.test.labels
        accuracies.append(float(right.mean()))
    return accuracies
