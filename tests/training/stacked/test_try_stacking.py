"""Whether a model can be stacked: any trains as it does alone."""

import re

import pytest
import torch
from tests.training.stacked.seeds import SEEDS, largest_difference, recipe, runs_of
from torch import nn

from bakeoff.training import train
from bakeoff.training.stacked import train_stacked, try_stacking


class Plain(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.linear = nn.Linear(3 * image_size**2, num_classes)

    def forward(self, images):
        return self.linear(images.flatten(1))


class LooksAtValues(Plain):
    def forward(self, images):
        logits = super().forward(images)
        return logits if logits.mean() > 0 else logits * 2


class DrawsItself(Plain):
    def forward(self, images):
        logits = super().forward(images)
        return logits + torch.randn_like(logits) if self.training else logits


class HidesNumbers(Plain):
    """Its permutation is no buffer: a stack would take the first seed's for all."""

    def __init__(self, num_classes, image_size):
        super().__init__(num_classes, image_size)
        self.order = torch.randperm(3 * image_size**2)

    def forward(self, images):
        return self.linear(images.flatten(1)[:, self.order])


class CountsByReplacing(Plain):
    """Gives its buffer a new tensor at each call, instead of changing it."""

    def __init__(self, num_classes, image_size):
        super().__init__(num_classes, image_size)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, images):
        if self.training:
            self.calls = self.calls + 1
        return super().forward(images)


class DropsInForward(Plain):
    def forward(self, images):
        return super().forward(nn.functional.dropout(images, 0.5, self.training))


class Ties(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.first = nn.Linear(3 * image_size**2, 20)
        self.second, self.third = nn.Linear(20, 20), nn.Linear(20, 20)
        self.third.weight = self.second.weight
        self.last = nn.Linear(20, num_classes)

    def forward(self, images):
        hidden = torch.tanh(self.first(images.flatten(1)))
        return self.last(torch.tanh(self.third(torch.tanh(self.second(hidden)))))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (LooksAtValues, "data-dependent|bool|item"),
        (DrawsItself, "random"),
        (HidesNumbers, "differ in more than their weights"),
        (CountsByReplacing, ""),
        (DropsInForward, ""),
        (Ties, ""),
    ],
)
def test_any_model_trains_as_it_does_alone_stacked_or_not(data, in_double, model, reason):
    chosen = recipe(f"model='{__name__}:{model.__name__}'", "checkpoint=last")
    stacking = try_stacking(chosen, SEEDS, data, "cpu")
    if reason:
        assert not stacking.vectorized
        assert stacking.size == 1
        assert re.search(reason, stacking.reason), stacking.reason
        found = {}
        for seed in SEEDS:
            found |= runs_of(train_stacked(chosen, [seed], data, "cpu", vectorized=False))
    else:
        assert stacking.vectorized, stacking.reason
        found = runs_of(train_stacked(chosen, SEEDS, data, "cpu"))
    for seed, run in found.items():
        alone = train(chosen, seed, data)
        assert run.weights.keys() == alone.weights.keys()
        assert largest_difference(run.weights, alone.weights) < 1e-10
