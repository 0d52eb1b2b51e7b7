"""Passes and losses: planned or recorded by PyTorch, the same bits; and the memory that batches share."""

import copy

import numpy as np
import pytest
import torch

from bakeoff.models import LeNet5
from bakeoff.training import step as passes
from bakeoff.training.augmentation.apply import Blend
from bakeoff.training.batches import BatchMemory
from bakeoff.training.loss import Loss
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.step import Passes

pytestmark = pytest.mark.usefixtures("one_thread")

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


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_planned_and_recorded_passes_set_the_same_gradients(monkeypatch, norm, name):
    torch.manual_seed(0)
    model = LeNet5(10, 20, batch_norm=norm).to(memory_format=torch.channels_last)
    other = copy.deepcopy(model)
    planned = Passes(model)
    recorded = Passes(other)
    for _ in range(3):
        images = torch.randn(6, 3, 20, 20).contiguous(memory_format=torch.channels_last)
        found = planned(images, LOSSES[name])
        with monkeypatch.context() as patched:
            patched.setattr(passes, "plan_for", lambda *_: None)
            expected = recorded(images, LOSSES[name])
        assert all(map(torch.equal, found, expected))
        for one, another in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.equal(one.grad, another.grad)
        assert all(map(torch.equal, model.buffers(), other.buffers()))


def test_logits_of_one_batch_stay_when_the_next_comes():
    model = LeNet5(10, 20)
    step = Passes(model)
    first, _ = step(torch.randn(6, 3, 20, 20), LOSSES["plain"])
    kept = first.clone()
    step(torch.randn(6, 3, 20, 20), LOSSES["plain"])
    assert torch.equal(first, kept)


def test_batches_of_another_shape_or_layout_are_taken():
    torch.manual_seed(0)
    model = LeNet5(10, 20)
    step = Passes(model)
    step(torch.randn(6, 3, 20, 20), LOSSES["plain"])
    for images in (
        torch.randn(6, 3, 20, 20).contiguous(memory_format=torch.channels_last),
        torch.randn(6, 3, 20, 40)[:, :, :, ::2],
        torch.randn(4, 3, 20, 20),
    ):
        loss = Loss(LABELS[: len(images)])
        logits, value = step(images, loss)
        expected = model(images)
        assert torch.allclose(logits, expected, atol=1e-6)
        assert value.item() == pytest.approx(loss(expected).item())


def test_a_model_without_a_plan_is_recorded():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(12, 10))
    images = torch.randn(6, 3, 2, 2)
    torch.manual_seed(1)
    logits, value = Passes(model)(images, LOSSES["plain"])
    found = [parameter.grad for parameter in model.parameters()]
    torch.manual_seed(1)
    expected = model(images)
    model.zero_grad()
    loss = torch.nn.functional.cross_entropy(expected, LABELS)
    loss.backward()
    assert torch.equal(logits, expected)
    assert torch.equal(value, loss)
    assert all(map(torch.equal, found, (parameter.grad for parameter in model.parameters())))


def test_gathered_batches_are_the_chosen_images_and_are_standardised_in_the_same_memory():
    images = np.random.default_rng(0).integers(0, 256, (20, 5, 5, 3), dtype=np.uint8)
    images.flags.writeable = False
    memory = BatchMemory(images, 7)
    preprocessing = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.25), 5)
    for chosen in (np.array([3, 19, 0, 4, 4, 7, 1]), np.array([2, 11])):
        pixels = memory.gather(chosen)
        assert np.array_equal(pixels, images[chosen])
        found = preprocessing(pixels, out=memory.standardised)
        assert torch.equal(found, preprocessing(images[chosen]))
        assert found.data_ptr() == memory.standardised.data_ptr()
        assert found.is_contiguous(memory_format=torch.channels_last)
