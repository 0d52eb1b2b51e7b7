"""The loss against cross-entropy by hand, its gradient against the graph of PyTorch."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from tests.training.losses import LABELS, LOSSES, SMOOTHED

from bakeoff.errors import BakeoffError
from bakeoff.study.settings.optimization import CrossEntropySettings, OwnLossSettings
from bakeoff.training.augmentation.apply import Blend
from bakeoff.training.parts.loss import Loss, class_weights, criterion

pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_class_weights_weigh_the_images_of_a_class_in_the_mean():
    logits = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    weights = torch.linspace(0.5, 2.0, 10)
    each = torch.nn.functional.cross_entropy(logits, LABELS, reduction="none")
    of_images = weights[LABELS]
    weighted = Loss(LABELS, criterion(CrossEntropySettings(), weights))
    loss, gradient = weighted.with_gradient(logits)
    assert loss.item() == pytest.approx(((of_images * each).sum() / of_images.sum()).item())
    assert not torch.equal(gradient, Loss(LABELS).with_gradient(logits)[1])
    equal = Loss(LABELS, criterion(CrossEntropySettings(), torch.full((10,), 3.0)))
    assert equal(logits).item() == pytest.approx(Loss(LABELS)(logits).item())


def test_balanced_weights_are_scikit_learns_and_listed_ones_are_counted():
    labels = np.array([0, 0, 0, 0, 1, 2, 2])
    settings = CrossEntropySettings(class_weights="balanced")
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert class_weights(settings, labels, 3).tolist() == pytest.approx(expected.tolist())
    listed = CrossEntropySettings(class_weights=[1.0, 2.5, 3])
    assert class_weights(listed, labels, 3).tolist() == [1.0, 2.5, 3.0]
    assert class_weights(CrossEntropySettings(), labels, 3) is None
    with pytest.raises(BakeoffError, match=r"loss.class_weights: found 3 weights, expected 10, one for each"):
        class_weights(listed, labels, 10)
