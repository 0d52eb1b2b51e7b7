"""Features of the penultimate layer, from models with and without one."""

import numpy as np
import pytest
import torch
from torch import nn

from bakeoff.models import build_model
from bakeoff.study import load_study
from bakeoff.training import train
from bakeoff.training.evaluation import logits_and_features, penultimate_features, predict_logits
from bakeoff.training.preprocessing import Preprocessing

PREPROCESSING = Preprocessing((0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)


def test_the_input_of_the_last_linear_layer_is_given_and_no_hook_stays():
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 2))
    found = penultimate_features(model, IMAGES, PREPROCESSING)
    with torch.no_grad():
        expected = model[:3](PREPROCESSING(IMAGES)).numpy()
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert not model[3]._forward_pre_hooks


def test_a_model_without_a_linear_layer_has_none():
    model = nn.Sequential(nn.Conv2d(3, 2, 4), nn.Flatten())
    assert penultimate_features(model, IMAGES, PREPROCESSING) is None


def test_a_last_linear_layer_on_something_else_than_one_row_an_image_has_none():
    model = nn.Sequential(nn.Linear(4, 2), nn.Flatten())
    assert penultimate_features(model, IMAGES, PREPROCESSING) is None


def test_features_beyond_float16_stay_finite():
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 3), nn.Linear(3, 2))
    nn.init.constant_(model[1].bias, 1e9)
    assert np.isfinite(penultimate_features(model, IMAGES, PREPROCESSING)).all()


pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(name="lenet5", **changes):
    return load_study("quickstart", epochs=2).recipes[name].model_copy(update=changes)


def test_flip_averaging_is_the_mean_of_the_logits_of_an_image_and_its_mirror_image(data):
    flipping = recipe(test_time_augmentation="horizontal_flip")
    run = train(flipping, 0, data)
    model = build_model(flipping.model, num_classes=10, image_size=16, seed=0)
    model.load_state_dict(run.weights)
    plain = predict_logits(model, data.test.images, run.preprocessing)
    mirrored = predict_logits(model, np.ascontiguousarray(data.test.images[:, :, ::-1]), run.preprocessing)
    assert run.test_logits == pytest.approx((plain + mirrored) / 2, abs=1e-5)
    assert run.test_features is not None  # of the image itself
    assert run.test_features.shape == (797, 84)


@pytest.mark.parametrize("name", ["lenet5", "lenet5_batch_norm"])
def test_one_pass_gives_the_bits_of_two(name, data):
    model = build_model(recipe(name).model, num_classes=10, image_size=16, seed=0)
    model.train()
    images, preprocessing = data.test.images, Preprocessing.of(data)
    logits, features = logits_and_features(model, images, preprocessing)
    assert not model.training
    np.testing.assert_array_equal(logits, predict_logits(model, images, preprocessing))
    np.testing.assert_array_equal(features, penultimate_features(model, images, preprocessing))
    hook = model.register_forward_hook(lambda *_: None)  # which waits for the whole model
    np.testing.assert_array_equal(logits_and_features(model, images, preprocessing)[0], logits)
    hook.remove()
