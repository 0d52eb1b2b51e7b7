"""Standardized pixels."""

import numpy as np
import pytest
import torch

from bakeoff.training.preprocessing import Preprocessing

pytestmark = pytest.mark.usefixtures("one_thread")


def test_standardised_training_pixels_have_mean_0_and_std_1(data):
    pixels = Preprocessing(data.mean, data.std, 16)(data.train.images)
    assert pixels.shape == (700, 3, 16, 16)
    assert pixels.dtype == torch.float32
    assert pixels.mean().item() == pytest.approx(0, abs=1e-4)
    assert pixels.std().item() == pytest.approx(1, abs=1e-4)


def test_a_channel_without_spread_stays_finite():
    images = np.full((2, 4, 4, 3), 7, np.uint8)
    pixels = Preprocessing((7 / 255,) * 3, (0.0, 0.0, 0.0), 4)(images)
    assert pixels.abs().max().item() < 1e-6
