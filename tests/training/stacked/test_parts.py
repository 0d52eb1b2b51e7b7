"""The state of each seed's optimizer, taken from that of the stack and put back."""

import pytest
import torch
from torch import nn

from bakeoff.training.stacked.parts import load_states, state_of_seed

OPTIMIZERS = {
    "adam": lambda parameters: torch.optim.Adam(parameters, 0.01),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 0.01),
    "momentum": lambda parameters: torch.optim.SGD(parameters, 0.01, momentum=0.9),
}


def gradients(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 3, generator=generator), torch.randn(4, generator=generator)]


def after_two_steps(kind: str, *seeds: int, stacked: bool):
    """An optimizer of two weights, or of those of all seeds stacked."""
    shapes = [(4, 3), (4,)]
    parameters = [
        nn.Parameter(torch.ones(len(seeds), *shape) if stacked else torch.ones(shape)) for shape in shapes
    ]
    optimizer = OPTIMIZERS[kind](parameters)
    for step in (0, 10):
        for place, parameter in enumerate(parameters):
            each = [gradients(seed + step)[place] for seed in seeds]
            parameter.grad = torch.stack(each) if stacked else each[0]
        optimizer.step()
    return optimizer


def assert_same(found: dict, expected: dict) -> None:
    assert found["state"].keys() == expected["state"].keys()
    for key, entry in expected["state"].items():
        assert found["state"][key].keys() == entry.keys()
        for name, value in entry.items():
            torch.testing.assert_close(found["state"][key][name], value)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_seeds_state_is_that_of_its_own_optimizer(kind):
    stack = after_two_steps(kind, 1, 2, 3, stacked=True)
    for index, seed in enumerate((1, 2, 3)):
        alone = after_two_steps(kind, seed, stacked=False)
        assert_same(state_of_seed(stack, index), alone.state_dict())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_states_of_seeds_make_the_state_of_the_stack(kind):
    stack = after_two_steps(kind, 1, 2, stacked=True)
    alone = [after_two_steps(kind, seed, stacked=False).state_dict() for seed in (1, 2)]
    other = after_two_steps(kind, 7, 8, stacked=True)
    load_states(other, alone)
    assert_same(other.state_dict(), stack.state_dict())
