"""skorch: NeuralNetClassifier with a fixed validation split; the best epoch kept by Checkpoint."""

from __future__ import annotations

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn
from torch_loop import to_tensors
from torch_model import lenet5
from work import BATCH_SIZE, HALVE_EVERY, LEARNING_RATE, EpochDone, Work


class Told(Callback):
    def __init__(self, epoch_done: EpochDone) -> None:
        self.epoch_done = epoch_done

    def on_epoch_end(self, *_: object, **__: object) -> None:
        self.epoch_done()


def train(work: Work, epoch_done: EpochDone) -> list[float]:
    tensors = {split: to_tensors(work, split) for split in ("train", "val", "test")}
    accuracies = []
    for seed in work.seeds:
        torch.manual_seed(seed)
        best = Checkpoint(
            dirname=str(work.scratch / f"seed-{seed}"),
            monitor="valid_acc_best",
            load_best=True,
            f_optimizer=None,
            f_criterion=None,
        )
        net = NeuralNetClassifier(
            lenet5(work.recipe).to(memory_format=torch.channels_last),
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=LEARNING_RATE,
            optimizer__weight_decay=work.recipe.weight_decay,
            max_epochs=work.epochs,
            batch_size=BATCH_SIZE,
            iterator_train__shuffle=True,
            iterator_valid__batch_size=500,
            train_split=predefined_split(Dataset(*tensors["val"])),
            callbacks=[
                ("lr", LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=HALVE_EVERY, gamma=0.5)),
                ("best", best),
                ("told", Told(epoch_done)),
            ],
            classes=range(10),
            verbose=0,
        )
        net.fit(*tensors["train"])
        images, labels = tensors["test"]
        accuracies.append(float((net.predict(images) == labels.numpy()).mean()))
    return accuracies
