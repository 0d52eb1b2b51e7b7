"""The loop that a good engineer writes: images decoded once, tensors in memory, channels last."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch_model import lenet5
from work import BATCH_SIZE, HALVE_EVERY, LEARNING_RATE, EpochDone, Work, read_standardised


def train(work: Work, epoch_done: EpochDone) -> list[float]:
    tensors = {split: to_tensors(work, split) for split in ("train", "val", "test")}
    return [train_one(work, seed, tensors, epoch_done) for seed in work.seeds]


def to_tensors(work: Work, split: str) -> tuple[Tensor, Tensor]:
    """Images [N, 3, 32, 32], channels last in memory, and labels [N]."""
    images, labels = read_standardised(work, split)
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)


def train_one(
    work: Work, seed: int, tensors: dict[str, tuple[Tensor, Tensor]], epoch_done: EpochDone
) -> float:
    torch.manual_seed(seed)
    images, labels = tensors["train"]
    model = lenet5(work.recipe).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, weight_decay=work.recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, HALVE_EVERY, 0.5)
    best_accuracy, best_weights = -1.0, model.state_dict()
    for _ in range(work.epochs):
        model.train()
        for chosen in torch.randperm(len(labels)).split(BATCH_SIZE):
            loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        _, accuracy = evaluate(model, *tensors["val"])
        if accuracy > best_accuracy:
            best_accuracy, best_weights = accuracy, copy.deepcopy(model.state_dict())
        epoch_done()
    model.load_state_dict(best_weights)
    return evaluate(model, *tensors["test"])[1]


@torch.no_grad()
def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss, and accuracy."""
    model.eval()
    logits = torch.cat([model(batch) for batch in images.split(500)])
    loss = nn.functional.cross_entropy(logits, labels).item()
    return loss, (logits.argmax(1) == labels).float().mean().item()
