"""The short way of an optimizer's step gives the bits of the long one."""

import copy

import pytest
import torch
from torch import nn

from bakeoff.training.step import Stepper

OPTIMIZERS = {
    "adam": lambda parameters: torch.optim.Adam(parameters, 0.01, fused=True),
    "adam, decay": lambda parameters: torch.optim.Adam(parameters, 0.01, weight_decay=0.1, fused=True),
    "adam, foreach": lambda parameters: torch.optim.Adam(parameters, 0.01, foreach=True),
    "adam, amsgrad": lambda parameters: torch.optim.Adam(parameters, 0.01, amsgrad=True, fused=True),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 0.01, betas=(0.8, 0.9), fused=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.01, weight_decay=0.1, fused=True),
    "momentum": lambda parameters: torch.optim.SGD(parameters, 0.01, momentum=0.9, fused=True),
    "nesterov": lambda parameters: torch.optim.SGD(parameters, 0.01, momentum=0.9, nesterov=True, fused=True),
    "two groups": lambda parameters: torch.optim.Adam(
        [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.1}], 0.01, fused=True
    ),
    "another": lambda parameters: torch.optim.RMSprop(parameters, 0.01),
}
ONE_OPERATION = {"adam", "adam, decay", "adamw", "sgd", "momentum", "nesterov"}


def train(model, optimizer, stepper, steps, first=0):
    for step in range(first, first + steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 / (1 + step)
        inputs = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
        loss = model(inputs).square().mean()
        optimizer.zero_grad()
        loss.backward()
        stepper.step()


def new_model(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).to(dtype)


def everything(model, optimizer):
    state = optimizer.state_dict()["state"]
    return [
        *model.state_dict().values(),
        *(value for one in state.values() for value in one.values() if value is not None),
    ]


def assert_same_bits(one, another):
    assert len(one) == len(another)
    assert all(torch.equal(*pair) for pair in zip(one, another, strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_same_bits_as_the_optimizer(name):
    ended = []
    for kind in (Stepper, lambda optimizer: optimizer):
        model = new_model()
        optimizer = OPTIMIZERS[name](list(model.parameters()))
        train(model, optimizer, kind(optimizer), 7)
        ended.append(everything(model, optimizer))
    assert_same_bits(*ended)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_which_take_the_short_way(name, monkeypatch):
    model = new_model()
    optimizer = OPTIMIZERS[name](list(model.parameters()))
    stepper = Stepper(optimizer)
    train(model, optimizer, stepper, 1)
    calls = []
    monkeypatch.setattr(optimizer, "step", lambda: calls.append(1))
    train(model, optimizer, stepper, 3, first=1)
    assert len(calls) == (0 if name in ONE_OPERATION else 3)


def test_a_state_loaded_before_the_first_step_is_gone_on_with():
    whole = new_model()
    optimizer = OPTIMIZERS["adam"](list(whole.parameters()))
    train(whole, optimizer, optimizer, 4)
    saved = copy.deepcopy((whole.state_dict(), optimizer.state_dict()))
    train(whole, optimizer, optimizer, 4, first=4)

    model = new_model()
    resumed = OPTIMIZERS["adam"](list(model.parameters()))
    model.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    train(model, resumed, Stepper(resumed), 4, first=4)
    assert_same_bits(everything(model, resumed), everything(whole, optimizer))


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_parameter_is_left_alone_while_it_has_no_gradient(name):
    ended = []
    for kind in (Stepper, lambda optimizer: optimizer):
        model = new_model()
        optimizer = OPTIMIZERS[name](list(model.parameters()))
        stepper = kind(optimizer)
        for used in (model[:2], model[:2], model, model, model[:2], model):
            optimizer.zero_grad()
            used(torch.ones(2, 5)).square().sum().backward()
            stepper.step()
        ended.append(everything(model, optimizer))
    assert_same_bits(*ended)


def test_other_types_take_the_long_way():
    model = new_model(torch.float64)
    optimizer = OPTIMIZERS["adam"](list(model.parameters()))
    stepper = Stepper(optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(2, 5, dtype=torch.float64)).sum().backward()
        stepper.step()
    assert optimizer.state[model[0].weight]["step"] == 3
