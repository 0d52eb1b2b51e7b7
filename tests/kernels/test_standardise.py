"""Pixels to standardised floats: the kernel gives what PyTorch's operations give, to the last bit."""

import numpy as np
import pytest
import torch

from bakeoff.kernels.library import using
from bakeoff.training.preprocessing import Preprocessing

PREPROCESSING = Preprocessing((0.4468, 0.4399, 0.4067), (0.2419, 0.0, 0.2541), 32)
GENERATOR = np.random.default_rng(0)


def pixels(*shape):
    return GENERATOR.integers(0, 256, shape, dtype=np.uint8)


def read_only(images):
    images.flags.writeable = False
    return images


@pytest.mark.parametrize(
    "images",
    [
        pixels(7, 32, 32, 3),
        pixels(1, 1, 1, 3),
        pixels(2, 5, 17, 3),
        pixels(0, 32, 32, 3),
        pixels(4, 9, 9, 3)[::2, :, ::-1],
        read_only(pixels(3, 8, 8, 3)),
    ],
    ids=["odd number", "one pixel", "not square", "none", "not dense", "read only"],
)
def test_the_bits_of_pytorch(implementation, images):
    found = PREPROCESSING(images)
    with using("for comparison"):
        expected = PREPROCESSING(images)
    assert found.shape == expected.shape == (len(images), 3, *images.shape[1:3])
    assert found.stride() == expected.stride()
    assert torch.equal(found.view(torch.int32), expected.view(torch.int32))
    std = np.array([0.2419, 1.0, 0.2541])
    by_hand = (images / 255 - np.array(PREPROCESSING.mean)) / std
    assert np.allclose(found.permute(0, 2, 3, 1).numpy(), by_hand, rtol=0, atol=1e-6)
