"""The loss against cross-entropy by hand, its gradient against the graph of PyTorch."""

import numpy as np
import pytest
import torch

from bakeoff.study.settings.optimization import CrossEntropySettings, OwnLossSettings
from bakeoff.training.augmentation.apply import Blend
from bakeoff.training.loss import Loss, criterion

pytestmark = pytest.mark.usefixtures("one_thread")

SMOOTHED = criterion(CrossEntropySettings(label_smoothing=0.1))


def test_label_smoothing_and_blended_labels_are_cross_entropy_with_soft_targets():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 10, generator=generator)
    labels, partners = torch.tensor([0, 3, 3, 9, 1, 2]), torch.tensor([5, 4, 3, 2, 1, 0])

    def soft(labels):
        return 0.9 * torch.eye(10)[labels] + 0.1 / 10

    target = 0.7 * soft(labels) + 0.3 * soft(labels[partners])
    by_hand = -(target * torch.log_softmax(logits, 1)).sum(1).mean()
    assert Loss(labels, SMOOTHED, Blend(0.7, partners))(logits).item() == pytest.approx(by_hand.item())
    by_hand = -(soft(labels) * torch.log_softmax(logits, 1)).sum(1).mean()
    assert Loss(labels, SMOOTHED)(logits).item() == pytest.approx(by_hand.item())


LABELS = torch.tensor([0, 3, 3, 9, 1, 2])


BLEND = Blend(0.7, torch.tensor([5, 4, 3, 2, 1, 0]))


LOSSES = {
    "plain": Loss(LABELS),
    "smoothed": Loss(LABELS, SMOOTHED),
    "blended": Loss(LABELS, blend=BLEND),
    "both": Loss(LABELS, SMOOTHED, BLEND),
}


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_a_loss_and_its_gradient_are_those_of_pytorchs_graph(name, scale):
    logits = scale * torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    recorded = logits.clone().requires_grad_()
    expected = LOSSES[name](recorded)
    expected.backward()
    loss, gradient = LOSSES[name].with_gradient(logits)
    assert torch.equal(loss, expected)
    assert torch.equal(gradient, recorded.grad)
    assert not loss.requires_grad
    assert not gradient.requires_grad
    assert not logits.requires_grad


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_of_logits_that_are_not_finite_is_not(value):
    logits = torch.zeros(6, 10)
    logits[2, 3] = value
    loss, _ = Loss(LABELS).with_gradient(logits)
    assert not np.isfinite(loss.item())


def test_a_loss_of_ones_own_is_called_with_its_options():
    own = criterion(OwnLossSettings(name="torch.nn.functional:multi_margin_loss", margin=0.5))
    logits = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    recorded = logits.clone().requires_grad_()
    expected = torch.nn.functional.multi_margin_loss(recorded, LABELS, margin=0.5)
    expected.backward()
    loss, gradient = Loss(LABELS, own).with_gradient(logits)
    assert torch.equal(loss, expected)
    assert torch.equal(gradient, recorded.grad)
