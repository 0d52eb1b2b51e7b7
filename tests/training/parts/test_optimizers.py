"""Learning rates and weight averages against PyTorch's own schedulers and hand calculation."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from bakeoff.errors import BakeoffError
from bakeoff.study import load_study
from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.optimization import OwnOptimizerSettings
from bakeoff.training.parts.optimizers import build_optimizer, learning_rate

STEPS = 7


def recipe(*overrides, epochs=40):
    study = load_study("quickstart", epochs=epochs, overrides=[f"defaults.{line}" for line in overrides])
    return study.recipes["lenet5"]


def rates(schedule, epochs=40):
    found = recipe(f"schedule={schedule}", epochs=epochs)
    return [learning_rate(found, step, STEPS) for step in range(epochs * STEPS)]


def oracle(scheduler, steps, **options):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.001, momentum=0.9)
    schedule = scheduler(optimizer, **options)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_constant_and_step_change_between_epochs_only():
    assert rates('{name="constant"}') == [0.001] * 40 * STEPS
    by_epoch = oracle(torch.optim.lr_scheduler.StepLR, 40, step_size=15, gamma=0.3)
    found = rates('{name="step", step_size=15, gamma=0.3}')
    assert found == pytest.approx([rate for rate in by_epoch for _ in range(STEPS)])


def test_cosine_falls_with_each_step():
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR
    expected = oracle(scheduler, 40 * STEPS, T_max=40 * STEPS, eta_min=1e-5)
    assert rates('{name="cosine", final_lr=1e-5}') == pytest.approx(expected)


def test_warm_up_rises_in_equal_steps_and_then_the_cosine_takes_its_full_course():
    found = rates('{name="cosine", warmup_epochs=3}')
    warmup = 3 * STEPS
    assert found[:warmup] == pytest.approx([0.001 * (k + 1) / (warmup + 1) for k in range(warmup)])
    rest = 40 * STEPS - warmup
    expected = oracle(torch.optim.lr_scheduler.CosineAnnealingLR, rest, T_max=rest)
    assert found[warmup:] == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_one_cycle_is_pytorchs(epochs):
    expected = oracle(
        torch.optim.lr_scheduler.OneCycleLR,
        epochs * STEPS,
        max_lr=0.001,
        total_steps=epochs * STEPS,
        pct_start=0.25,
        div_factor=10,
        final_div_factor=100,
        cycle_momentum=False,
    )
    found = rates('{name="one_cycle", warmup_share=0.25, div_factor=10, final_div_factor=100}', epochs)
    assert found == pytest.approx(expected)


def test_schedules_longer_than_the_run_stay_finite():
    assert rates('{name="cosine", warmup_epochs=50}', epochs=2)[-1] == pytest.approx(0.001 * 14 / 351)
    one = recipe('schedule={name="one_cycle"}', epochs=1)
    assert learning_rate(one, 0, 1) == 0.001 / 25 / 10_000  # of one step, the last is all there is


def test_sgd_takes_nesterov_and_momentum_from_the_recipe():
    settings = recipe(
        'optimizer={name="sgd", lr=0.1, momentum=0.8, nesterov=true, weight_decay=0.01}'
    ).optimizer
    (group,) = build_optimizer(settings, nn.Linear(2, 2)).param_groups
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.8, True, 0.01)


OPTIMIZERS = [
    'optimizer={name="adam", lr=0.01, weight_decay=0.1}',
    'optimizer={name="adamw", lr=0.01, betas=[0.8, 0.99], weight_decay=0.1}',
    'optimizer={name="sgd", lr=0.01, momentum=0.9, nesterov=true, weight_decay=0.1}',
]


@pytest.mark.parametrize("settings", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_step_in_one_operation_is_the_one_made_of_several(settings, dtype):
    """Against PyTorch's own loop over tensors, and after a break from the state dict to the byte."""

    def trained(steps, fused, state=None):
        torch.manual_seed(0)
        model = nn.Linear(37, 11).to(dtype)
        optimizer = build_optimizer(recipe(settings).optimizer, model)
        assert optimizer.param_groups[0]["fused"] is True
        optimizer.param_groups[0].update(fused=fused, foreach=False)
        if state is not None:
            model.load_state_dict(state[0])
            optimizer.load_state_dict(state[1])
        for step in steps:
            optimizer.zero_grad()
            inputs = torch.randn(5, 37, generator=torch.Generator().manual_seed(step)).to(dtype)
            model(inputs).square().mean().backward()
            optimizer.step()
        return copy.deepcopy((model.state_dict(), optimizer.state_dict()))

    whole, several = trained(range(20), True), trained(range(20), False)
    for name, value in whole[0].items():
        torch.testing.assert_close(value, several[0][name], rtol=1e-4, atol=1e-6)
    broken = trained(range(8, 20), True, trained(range(8), True))
    assert all(torch.equal(value, broken[0][name]) for name, value in whole[0].items())


def test_where_pytorch_has_no_such_step_it_chooses_another():
    for model in (nn.Linear(2, 2, device="meta"), nn.Linear(2, 2, dtype=torch.complex64)):
        assert build_optimizer(recipe().optimizer, model).param_groups[0]["fused"] is None


@pytest.mark.parametrize("settings", OPTIMIZERS)
def test_they_are_pytorchs_own(settings):
    """The classes are PyTorch's without wrappers: same names, same bits after same steps, state for state."""
    ended = []
    for bare in (True, False):
        torch.manual_seed(0)
        model = nn.Linear(7, 5)
        optimizer = build_optimizer(recipe(settings).optimizer, model)
        if not bare:
            (kind,) = type(optimizer).__bases__
            assert kind.__name__ == type(optimizer).__name__
            assert kind.__module__.startswith("torch.optim")
            (group,) = optimizer.param_groups
            lr, fused = group["lr"], group["fused"]
            optimizer = kind(model.parameters(), lr, fused=fused)
            optimizer.param_groups[0].update({**group, "params": optimizer.param_groups[0]["params"]})
        for step in range(5):
            optimizer.zero_grad()
            model(torch.full((3, 7), float(step))).square().mean().backward()
            optimizer.step()
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        assert not any(value.requires_grad for one in optimizer.state.values() for value in one.values())
        ended.append((model.weight.detach(), optimizer.state_dict()))
    assert torch.equal(ended[0][0], ended[1][0])
    torch.testing.assert_close(ended[0][1], ended[1][1], rtol=0, atol=0)


def test_a_run_does_not_load_pytorchs_compiler():
    code = (
        "import sys\n"
        "from bakeoff.data import load_data\n"
        "from bakeoff.study import load_study\n"
        "from bakeoff.training import train\n"
        "study = load_study('quickstart', epochs=1)\n"
        "data = load_data(study.data)\n"
        "for recipe in study.recipes.values():\n"
        "    train(recipe, 0, data)\n"
        "print('torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr


def test_an_optimizer_of_ones_own_is_called_with_its_options():
    model = nn.Linear(7, 5)
    optimizer = build_optimizer(
        OwnOptimizerSettings(name="torch.optim:RMSprop", lr=0.02, momentum=0.5), model
    )
    assert isinstance(optimizer, torch.optim.RMSprop)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]) == (0.02, 0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "torch.optim:NoSuch"}, "has no class 'NoSuch'"),
        ({"name": "torch.optim:SGD", "speed": 3}, "cannot be built: .*unexpected keyword argument 'speed'"),
        ({"name": "collections:OrderedDict"}, "is a OrderedDict; expected a torch.optim.Optimizer|cannot be"),
    ],
)
def test_what_is_no_optimizer_is_said(settings, message):
    with pytest.raises(BakeoffError, match=message):
        build_optimizer(OwnOptimizerSettings(**settings), nn.Linear(7, 5))


def test_a_schedule_of_ones_own_multiplies_the_learning_rate(tmp_path, monkeypatch):
    (tmp_path / "own_schedule.py").write_text(
        "def linear(step, num_steps, end=0.0):\n    return 1 - (1 - end) * step / num_steps\n"
        "def bad(step, num_steps):\n    return float('nan')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = Recipe(epochs=2, optimizer={"name": "sgd", "lr": 0.4}, schedule={"name": "own_schedule:linear"})
    assert [learning_rate(own, step, 5) for step in (0, 5, 9)] == pytest.approx([0.4, 0.2, 0.04])
    ending = own.changed(schedule={"name": "own_schedule:linear", "end": 0.5})
    assert learning_rate(ending, 5, 5) == pytest.approx(0.3)
    with pytest.raises(BakeoffError, match="returned nan for step 3 of 10; expected a finite number"):
        learning_rate(own.changed(schedule={"name": "own_schedule:bad"}), 3, 5)


def test_the_head_of_a_pretrained_model_has_a_learning_rate_of_its_own():
    from bakeoff.models import build_model
    from bakeoff.study.settings.model import CustomModelSettings
    from bakeoff.training.parts.optimizers import set_learning_rate

    settings = CustomModelSettings(name="bakeoff.models:LeNet5", head_lr_factor=10.0)
    model = build_model(settings, num_classes=10, image_size=16, seed=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = build_optimizer(recipe("optimizer.name='sgd'").optimizer, model)
    set_learning_rate(optimizer, 0.1)
    model(torch.randn(4, 3, 16, 16)).sum().backward()
    optimizer.step()
    for name, parameter in model.named_parameters():
        rate = 1.0 if name.startswith("model.classifier.5.") else 0.1
        torch.testing.assert_close(parameter, before[name] - rate * parameter.grad)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 1.0]
