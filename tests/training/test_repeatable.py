"""Denormal numbers count as zero in a run, and as before after it."""

import pytest
import torch

from bakeoff.training.repeatable import denormals_as_zero


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
