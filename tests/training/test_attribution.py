"""Attribution maps of wrong answers, held against models whose attributions are known by calculation."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from bakeoff.models.lenet5 import LeNet5
from bakeoff.study import load_study
from bakeoff.training.attribution import (
    NUM_STEPS,
    affordable_maps,
    attribute_wrong_answers,
    cells_per_side,
    cost_of_maps,
)
from bakeoff.training.evaluation import predict_logits
from bakeoff.training.preprocessing import Preprocessing

PREPROCESSING = Preprocessing((0.5, 0.4, 0.3), (0.25, 0.3, 0.2), 32)


def images_of(size, count=40):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def attribute(model, images, labels, max_maps=None):
    logits = predict_logits(model, images, PREPROCESSING)
    return attribute_wrong_answers(model, images, labels, logits, PREPROCESSING, max_maps), logits


@pytest.mark.parametrize("size", [28, 32, 50])
def test_a_linear_models_maps_are_weights_times_pixels(size):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * size**2, 4))
    images, labels = images_of(size), np.arange(40) % 4
    found, logits = attribute(model, images, labels)
    predicted = logits.argmax(axis=1)
    assert found.image_indices.tolist() == np.flatnonzero(predicted != labels).tolist()
    assert found.maps.shape[1:] == (cells_per_side(size),) * 2
    weights = model[1].weight.detach().double().numpy().reshape(4, 3, size, size)
    num_cells = cells_per_side(size)
    # Cut each pixel into num_cells x num_cells: an independent way to sum over cells that cut pixels.
    for image, cells, scale in zip(found.image_indices, found.maps, found.scale, strict=True):
        pixels = PREPROCESSING(images[[image]])[0].double().numpy()
        exact = ((weights[predicted[image]] - weights[labels[image]]) * pixels).sum(axis=0)
        fine = np.kron(exact, np.ones((num_cells, num_cells))) / num_cells**2
        blocks = fine.reshape(num_cells, size, num_cells, size).sum(axis=(1, 3))
        np.testing.assert_allclose(cells * scale, blocks, atol=0.51 * scale + 1e-5)
        assert np.abs(cells).max() == 127
    assert found.error.max() < 1e-5


def test_cells_of_lenet_sum_to_the_change_of_the_lead():
    torch.manual_seed(1)
    model = LeNet5(10, 32, batch_norm=True)
    for parameter in model.parameters():
        parameter.data *= 2  # far from linear
    images, labels = images_of(32, 70), np.arange(70) % 10
    found, logits = attribute(model, images, labels)
    with torch.no_grad():
        baseline = model(torch.zeros(1, 3, 32, 32))[0].numpy()
    assert len(found.image_indices) > 50
    for image, cells, scale, error in zip(*vars(found).values(), strict=True):
        answer, label = logits[image].argmax(), labels[image]
        change = (logits[image, answer] - logits[image, label]) - (baseline[answer] - baseline[label])
        rounding = scale * cells.size / 2
        missed = abs((cells * scale).sum() - change)
        assert missed <= error * np.abs(cells * scale).sum() * 1.1 + rounding
    assert 0 < np.median(found.error) < 0.05


@pytest.mark.parametrize("batch_norm", [False, True])
def test_captum_gives_the_same_maps(batch_norm):
    torch.manual_seed(2)
    model = LeNet5(10, 32, batch_norm=batch_norm)
    images, labels = images_of(32, 70), np.arange(70) % 10
    found, logits = attribute(model, images, labels)
    wrong = found.image_indices
    attributed = IntegratedGradients(model).attribute(
        PREPROCESSING(images[wrong]).repeat(2, 1, 1, 1),
        target=torch.from_numpy(np.concatenate([logits[wrong].argmax(axis=1), labels[wrong]])),
        n_steps=NUM_STEPS,
        method="gausslegendre",
    )
    answer, label = attributed.detach().double().sum(dim=1).numpy().reshape(2, -1, 16, 2, 16, 2)
    expected = (answer - label).sum(axis=(2, 4))
    scale = found.scale[:, None, None]
    assert np.abs(found.maps - expected / scale).max() < 0.51


def test_the_same_run_gives_the_same_bytes_whatever_images_are_right():
    model, images = LeNet5(10, 32), images_of(32, 100)
    predicted = predict_logits(model, images, PREPROCESSING).argmax(axis=1)
    first, _ = attribute(model, images, (predicted + 1) % 10)
    again, _ = attribute(model, images, (predicted + 1) % 10)
    for name, value in vars(first).items():
        assert value.tobytes() == vars(again)[name].tobytes()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training


def test_what_was_trained_can_still_be():
    model = LeNet5(10, 32)
    model.features[0].weight.requires_grad_(False)
    before = [parameter.requires_grad for parameter in model.parameters()]
    attribute(model, images_of(32), np.zeros(40, np.int64))
    assert [parameter.requires_grad for parameter in model.parameters()] == before


def test_a_run_without_a_wrong_answer_has_no_map():
    model, images = LeNet5(10, 32), images_of(32, 5)
    labels = predict_logits(model, images, PREPROCESSING).argmax(axis=1)
    found, _ = attribute(model, images, labels)
    assert found.maps.shape == (0, 16, 16)
    assert found.maps.dtype == np.int8


class NoGradient(nn.Module):
    """Counts bright pixels: right answers can be had from it, a gradient cannot."""

    def forward(self, images):
        bright = (images > 0).sum(dim=(2, 3)).float()
        return bright[:, :2] - bright[:, 1:]


def test_a_model_without_a_gradient_has_none():
    found, _ = attribute(NoGradient(), images_of(32), np.arange(40) % 2)
    assert found is None


class RootOfNegative(nn.Module):
    def forward(self, images):
        first = images.mean(dim=(1, 2, 3))
        return torch.stack([first, torch.where(first < 0, 1.0, first.sqrt())], dim=1)


def test_maps_that_are_not_finite_are_left_out():
    """The answer to a black image is finite, but its gradient is that of the root of a negative number."""
    images = np.repeat(np.array([0, 255], np.uint8), 32**2 * 3).reshape(2, 32, 32, 3)
    found, logits = attribute(RootOfNegative(), images, np.array([0, 1]))
    assert logits.argmax(axis=1).tolist() == [1, 0]
    assert found.image_indices.tolist() == [1]


def test_where_few_maps_can_be_had_they_are_of_images_spread_evenly_and_the_same_for_each_run():
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16**2, 10)), images_of(16, 400)
    predicted = predict_logits(model, images, PREPROCESSING).argmax(axis=1)
    everything, _ = attribute(model, images, (predicted + 1) % 10)
    few, _ = attribute(model, images, (predicted + 1) % 10, max_maps=40)
    assert len(everything.image_indices) == 400
    gaps = np.diff(few.image_indices)
    assert len(few.image_indices) == 40
    assert 5 <= gaps.min() <= gaps.max() <= 20
    expected = everything.maps[few.image_indices].astype(int)
    assert np.abs(few.maps - expected).max() <= 1  # batches differ, so the last bits may
    # Another run, which is right about every third image, has maps of the same ones of the others.
    wrong = np.arange(400) % 3 > 0
    other, _ = attribute(model, images, np.where(wrong, (predicted + 1) % 10, predicted), max_maps=40)
    shared = set(few.image_indices) & set(other.image_indices)
    assert shared == {image for image in few.image_indices if wrong[image]}
    enough, _ = attribute(model, images, (predicted + 1) % 10, max_maps=400)
    assert enough.maps.tobytes() == everything.maps.tobytes()


def test_maps_cost_a_tenth_of_the_training_and_the_published_study_has_all():
    """A map is 8 passes, 16 with the mirror image, each counted as two of training."""
    for name in ("lenet5-stl10", "small-best"):
        for recipe in load_study(name).recipes.values():
            passes = 16 if recipe.test_time_augmentation == "horizontal_flip" else 8
            limit = affordable_maps(recipe, recipe.epochs, 3210)
            assert limit == recipe.epochs * 3210 // (10 * passes * 2)
            assert cost_of_maps(recipe, limit) <= 0.1 * recipe.epochs * 3210 < cost_of_maps(recipe, limit + 1)
    for recipe in load_study("lenet5-as-published").recipes.values():
        assert affordable_maps(recipe, recipe.epochs, 4999) > 0.55 * 4999  # 53 % are wrong, at most


@pytest.mark.parametrize(("size", "num_maps", "per_call"), [(8, 300, 256), (32, 40, 16), (96, 5, 2)])
def test_a_map_is_eight_passes_in_calls_of_as_many_pixels(size, num_maps, per_call):
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(3 * size**2, 4)), images_of(size, num_maps)
    predicted = predict_logits(model, images, PREPROCESSING).argmax(axis=1)
    calls = []
    model.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    attribute_wrong_answers(
        model, images, (predicted + 1) % 4, np.eye(4, dtype=np.float32)[predicted], PREPROCESSING
    )
    _, *calls = calls  # the first is the baseline
    assert sum(calls) == NUM_STEPS * num_maps
    assert calls[0] == NUM_STEPS * per_call
