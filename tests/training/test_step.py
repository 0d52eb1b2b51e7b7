"""Passes and steps, each way with the same bits; clipped gradients and the average of the weights."""

import copy

import pytest
import torch
from tests.training.losses import LABELS, LOSSES
from torch import nn

from bakeoff.models import LeNet5, build_model
from bakeoff.study import load_study
from bakeoff.study.settings.optimization import SGDSettings
from bakeoff.training import step as passes
from bakeoff.training import train
from bakeoff.training.evaluation import predict_logits
from bakeoff.training.parts.loss import Loss
from bakeoff.training.repeatable import Stream, torch_seed
from bakeoff.training.step import Passes, Stepper, build_average

pytestmark = pytest.mark.usefixtures("one_thread")


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


def recipe(name="lenet5", **changes):
    return load_study("quickstart", epochs=2).recipes[name].model_copy(update=changes)


def test_a_clipped_gradient_makes_a_step_no_longer_than_the_norm_allows(data):
    sgd = SGDSettings(lr=1.0, momentum=0.0)
    short = recipe(optimizer=sgd, gradient_clipping=1e-3, epochs=1, batch_size=700)
    run = train(short, 0, data)
    start = build_model(short.model, num_classes=10, image_size=16, seed=torch_seed(0, Stream.WEIGHTS))
    moved = [run.weights[name] - value for name, value in start.state_dict().items()]
    length = torch.cat([change.flatten() for change in moved]).norm().item()
    assert length == pytest.approx(1e-3, rel=1e-3)


def test_the_average_of_the_weights_is_what_is_evaluated_and_kept(data):
    averaged = recipe(ema_decay=0.9, checkpoint="last")
    run, plain = train(averaged, 0, data), train(recipe(checkpoint="last"), 0, data)
    assert [epoch.train_loss for epoch in run.history] == [epoch.train_loss for epoch in plain.history]
    assert not torch.equal(run.weights["features.0.weight"], plain.weights["features.0.weight"])
    model = build_model(averaged.model, num_classes=10, image_size=16, seed=0)
    model.load_state_dict(run.weights)
    again = predict_logits(model, data.test.images, run.preprocessing)
    assert again == pytest.approx(run.test_logits, abs=1e-5)


def test_the_average_is_the_sum_worked_out_by_hand():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    average = build_average(model, 0.9)
    assert average is not None
    expected = None
    for step, value in enumerate([1.0, 2.0, -3.0, 5.0, 4.0] * 30):
        with torch.no_grad():
            model[0].weight.fill_(value)
            model[1].running_mean.fill_(-value)
            model[1].num_batches_tracked.fill_(step)
        average.update_parameters(model)
        keep = min(0.9, (1 + step) / (10 + step))
        expected = value if expected is None else keep * expected + (1 - keep) * value
    assert average.module[0].weight.item() == pytest.approx(expected, rel=1e-5)
    assert average.module[1].running_mean.item() == pytest.approx(-expected, rel=1e-5)
    assert average.module[1].num_batches_tracked.item() == 149
    assert build_average(model, 0.0) is None


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


def take_steps(model, optimizer, stepper, steps, first=0):
    for step in range(first, first + steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 / (1 + step)
        inputs = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
        loss = model(inputs).square().mean()
        optimizer.zero_grad()
        loss.backward()
        stepper.step()


def small_model(dtype=torch.float32):
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
        model = small_model()
        optimizer = OPTIMIZERS[name](list(model.parameters()))
        take_steps(model, optimizer, kind(optimizer), 7)
        ended.append(everything(model, optimizer))
    assert_same_bits(*ended)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_which_take_the_short_way(name, monkeypatch):
    model = small_model()
    optimizer = OPTIMIZERS[name](list(model.parameters()))
    stepper = Stepper(optimizer)
    take_steps(model, optimizer, stepper, 1)
    calls = []
    monkeypatch.setattr(optimizer, "step", lambda: calls.append(1))
    take_steps(model, optimizer, stepper, 3, first=1)
    assert len(calls) == (0 if name in ONE_OPERATION else 3)


def test_a_state_loaded_before_the_first_step_is_gone_on_with():
    whole = small_model()
    optimizer = OPTIMIZERS["adam"](list(whole.parameters()))
    take_steps(whole, optimizer, optimizer, 4)
    saved = copy.deepcopy((whole.state_dict(), optimizer.state_dict()))
    take_steps(whole, optimizer, optimizer, 4, first=4)

    model = small_model()
    resumed = OPTIMIZERS["adam"](list(model.parameters()))
    model.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    take_steps(model, resumed, Stepper(resumed), 4, first=4)
    assert_same_bits(everything(model, resumed), everything(whole, optimizer))


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_parameter_is_left_alone_while_it_has_no_gradient(name):
    ended = []
    for kind in (Stepper, lambda optimizer: optimizer):
        model = small_model()
        optimizer = OPTIMIZERS[name](list(model.parameters()))
        stepper = kind(optimizer)
        for used in (model[:2], model[:2], model, model, model[:2], model):
            optimizer.zero_grad()
            used(torch.ones(2, 5)).square().sum().backward()
            stepper.step()
        ended.append(everything(model, optimizer))
    assert_same_bits(*ended)


def test_other_types_take_the_long_way():
    model = small_model(torch.float64)
    optimizer = OPTIMIZERS["adam"](list(model.parameters()))
    stepper = Stepper(optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(2, 5, dtype=torch.float64)).sum().backward()
        stepper.step()
    assert optimizer.state[model[0].weight]["step"] == 3


def test_hooks_on_parameters_and_optimizers_of_the_users_are_left_to_pytorch():
    model, images = LeNet5(10, 20), torch.randn(6, 3, 20, 20)
    next(model.parameters()).register_hook(lambda gradient: gradient * 0)
    Passes(model)(images, LOSSES["plain"])
    assert not next(model.parameters()).grad.any()
    model = LeNet5(10, 20)
    step = Passes(model, planned=False)
    step(images, LOSSES["plain"])
    first = [parameter.grad for parameter in model.parameters()]
    copies = [gradient.clone() for gradient in first]
    for parameter in model.parameters():
        parameter.data = parameter.data + 0.01
    logits, _ = step(images, LOSSES["plain"])
    torch.testing.assert_close(logits, model(images), rtol=1e-5, atol=1e-5)
    assert all(map(torch.equal, first, copies))
