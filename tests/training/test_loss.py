"""The loss against cross-entropy by hand, its gradient against the graph of PyTorch."""

import numpy as np
import pytest
import torch

from bakeoff.training.augmentation.apply import Blend
from bakeoff.training.loss import Loss

pytestmark = pytest.mark.usefixtures("one_thread")


def test_label_smoothing_and_blended_labels_are_cross_entropy_with_soft_targets():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 10, generator=generator)
    labels, partners = torch.tensor([0, 3, 3, 9, 1, 2]), torch.tensor([5, 4, 3, 2, 1, 0])

    def soft(labels):
        return 0.9 * torch.eye(10)[labels] + 0.1 / 10

    target = 0.7 * soft(labels) + 0.3 * soft(labels[partners])
    by_hand = -(target * torch.log_softmax(logits, 1)).sum(1).mean()
    assert Loss(labels, 0.1, Blend(0.7, partners))(logits).item() == pytest.approx(by_hand.item())
    by_hand = -(soft(labels) * torch.log_softmax(logits, 1)).sum(1).mean()
    assert Loss(labels, 0.1)(logits).item() == pytest.approx(by_hand.item())


LABELS = torch.tensor([0, 3, 3, 9, 1, 2])


BLEND = Blend(0.7, torch.tensor([5, 4, 3, 2, 1, 0]))


LOSSES = {
    "plain": Loss(LABELS),
    "smoothed": Loss(LABELS, 0.1),
    "blended": Loss(LABELS, 0.0, BLEND),
    "both": Loss(LABELS, 0.1, BLEND),
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
