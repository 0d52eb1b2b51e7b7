"""The kinds of losses of a batch of six images: smoothed labels, blended images, both, neither."""

import torch

from bakeoff.study.settings.optimization import CrossEntropySettings
from bakeoff.training.augmentation.apply import Blend
from bakeoff.training.parts.loss import Loss, criterion

LABELS = torch.tensor([0, 3, 3, 9, 1, 2])

SMOOTHED = criterion(CrossEntropySettings(label_smoothing=0.1))

BLEND = Blend(0.7, torch.tensor([5, 4, 3, 2, 1, 0]))

LOSSES = {
    "plain": Loss(LABELS),
    "smoothed": Loss(LABELS, SMOOTHED),
    "blended": Loss(LABELS, blend=BLEND),
    "both": Loss(LABELS, SMOOTHED, BLEND),
}
