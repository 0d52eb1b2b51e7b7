"""The notebook of 2021 as a script: every image opened, decoded and resized anew each time it is needed,
validation and test one image at a time and with gradients, TensorBoard told of every step.

Three of its faults are put right, for they would change what is trained, not how fast: the first line of each
split counts, training mode is set in each epoch, and the weights of the best epoch are tested.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter
from torch_model import lenet5
from work import BATCH_SIZE, HALVE_EVERY, LEARNING_RATE, EpochDone, Work, decode, list_split


class ImageFiles(Dataset[tuple[Tensor, int]]):
    def __init__(self, work: Work, split: str) -> None:
        self.listed: list[tuple[Path, int]] = list_split(work.folder, split)
        self.mean, self.std = (torch.tensor(values)[:, None, None] for values in (work.mean, work.std))

    def __len__(self) -> int:
        return len(self.listed)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.listed[index]
        image = torch.from_numpy(decode(path).copy()).permute(2, 0, 1).float() / 255
        return (image - self.mean) / self.std, label


def train(work: Work, epoch_done: EpochDone) -> list[float]:
    return [train_one(work, seed, epoch_done) for seed in work.seeds]


def train_one(work: Work, seed: int, epoch_done: EpochDone) -> float:
    torch.manual_seed(seed)
    train_loader = DataLoader(ImageFiles(work, "train"), batch_size=BATCH_SIZE, shuffle=True)
    val_loader = DataLoader(ImageFiles(work, "val"))
    test_loader = DataLoader(ImageFiles(work, "test"))
    model = lenet5(work.recipe)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, weight_decay=work.recipe.weight_decay)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=HALVE_EVERY, gamma=0.5)
    best_accuracy, best_weights = -1.0, model.state_dict()
    with SummaryWriter(str(work.scratch / f"seed-{seed}")) as writer:
        step = 0
        for epoch in range(work.epochs):
            model.train()
            losses, accuracies = [], []
            for inputs, labels in train_loader:
                outputs = model(inputs)
                loss = criterion(outputs, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                accuracies.append((outputs.argmax(1) == labels).float().mean().item())
                writer.add_scalar("train/batch loss", losses[-1], step)
                writer.add_scalar("train/batch accuracy", accuracies[-1], step)
                step += 1
            scheduler.step()
            val_loss, val_accuracy = evaluate(model, criterion, val_loader)
            writer.add_scalar("train/loss", sum(losses) / len(losses), epoch)
            writer.add_scalar("train/accuracy", sum(accuracies) / len(accuracies), epoch)
            writer.add_scalar("val/loss", val_loss, epoch)
            writer.add_scalar("val/accuracy", val_accuracy, epoch)
            if val_accuracy > best_accuracy:
                best_accuracy, best_weights = val_accuracy, copy.deepcopy(model.state_dict())
            epoch_done()
    model.load_state_dict(best_weights)
    return evaluate(model, criterion, test_loader)[1]


def evaluate(model: nn.Module, criterion: nn.Module, loader: DataLoader) -> tuple[float, float]:
    model.eval()
    losses, right = [], 0
    for inputs, labels in loader:
        outputs = model(inputs)
        losses.append(criterion(outputs, labels).item())
        right += int((outputs.argmax(1) == labels).sum())
    return sum(losses) / len(losses), right / len(losses)
