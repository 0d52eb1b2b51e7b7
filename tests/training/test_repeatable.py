"""Denormal numbers count as zero in a run, and as before after it; streams that do not follow the seed."""

import numpy as np
import pytest
import torch

from bakeoff.study.recipe import FIXED_SEED
from bakeoff.training.repeatable import Stream, denormals_as_zero, generator, seed_of_run, torch_seed


def smallest() -> float:
    return torch.tensor([1e-40], dtype=torch.float32).mul(0.5).double().item()


@pytest.fixture(params=[torch.float32, torch.float64])
def default_type(request):
    torch.set_default_dtype(request.param)
    yield
    torch.set_default_dtype(torch.float32)


def test_denormals_are_zero_inside_and_numbers_again_after(default_type):
    assert smallest() > 0
    with denormals_as_zero():
        assert smallest() == 0
        with denormals_as_zero():
            assert smallest() == 0
        assert smallest() == 0
        assert torch.tensor([1e-37]).mul(0.5).item() > 0
    assert smallest() > 0


def test_streams_that_do_not_vary_are_those_of_a_seed_no_run_has():
    partly = seed_of_run(7, ["order", "augmentation"])
    assert partly == 7
    assert seed_of_run(7, None) is not partly
    for stream in Stream:
        expected = FIXED_SEED if stream in (Stream.WEIGHTS, Stream.LAYERS) else 7
        drawn = generator(partly, stream, 3).random(4)
        np.testing.assert_array_equal(drawn, generator(expected, stream, 3).random(4))
        assert torch_seed(partly, stream) == torch_seed(expected, stream)
