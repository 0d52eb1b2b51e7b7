"""Denormal numbers count as zero in a run, and as before after it."""

import torch

from bakeoff.training.arithmetic import denormals_as_zero


def smallest() -> float:
    return torch.tensor([1e-40]).mul(0.5).double().item()


def test_denormals_are_zero_inside_and_numbers_again_after():
    assert smallest() > 0
    with denormals_as_zero():
        assert smallest() == 0
        with denormals_as_zero():
            assert smallest() == 0
        assert smallest() == 0
        assert torch.tensor([1e-37]).mul(0.5).item() > 0
    assert smallest() > 0
