"""LeNet-5 as an ordinary PyTorch model, for the peers that train one."""

from __future__ import annotations

from torch import nn
from work import NUM_CLASSES, Recipe


def lenet5(recipe: Recipe) -> nn.Sequential:
    """Logits [N, 10] of images [N, 3, 32, 32]."""

    def norm(layer: nn.Module) -> list[nn.Module]:
        return [layer] if recipe.batch_norm else []

    return nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        *norm(nn.BatchNorm2d(6)),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        *norm(nn.BatchNorm2d(16)),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        *norm(nn.BatchNorm1d(120)),
        nn.Linear(120, 84),
        nn.ReLU(),
        *norm(nn.BatchNorm1d(84)),
        nn.Linear(84, NUM_CLASSES),
    )
