"""What changes after the recording brings the model itself; what cannot be compared is refused by name."""

import copy

import pytest
import torch
import torch.nn.functional as F
from tests.kernels.built import LIBRARIES
from torch import nn

from bakeoff.kernels.library import using
from bakeoff.kernels.recording.capture import Captured, capture
from bakeoff.training.evaluation import evaluated
from bakeoff.training.parts.loss import Loss
from bakeoff.training.step import Passes

pytestmark = pytest.mark.needs("compiler")

IMAGES = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def library():
    with using(next(iter(LIBRARIES.values()))):
        yield


class Config:
    p = 0.5
    scale = 1.0


SCALE = 1.0


def scaled(x, by=1.0, shifts=[0.0]):  # noqa: B006
    return x * by + shifts[0]


class Net(nn.Module):
    """All of it has kernels: training has a plan."""

    def __init__(self):
        super().__init__()
        self.hidden, self.act, self.drop, self.output = (
            nn.Linear(48, 20),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(20, 10),
        )
        self.rest = nn.Sequential(nn.Identity(), nn.Identity())

    def forward(self, x):
        return self.rest(self.output(self.drop(self.act(self.hidden(x.flatten(1))))))


class Reads(Net):
    """What is around the model."""

    def forward(self, x):
        x = F.dropout(super().forward(x), Config.p, self.training)
        return scaled(x * SCALE * Config().scale)


class Pools(Net):
    """Pooling before ReLU goes after it."""

    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2)
        self.hidden = nn.Linear(32, 20)

    def forward(self, x):
        return super().forward(F.relu(self.pool(self.conv(x))))


def other_forward(self, x):
    return self.output(self.hidden(x.flatten(1)))


LAYERS = {
    "a layer": lambda model: setattr(model, "act", nn.Tanh()),
    "a layer of the same kind": lambda model: setattr(model, "output", nn.Linear(20, 10)),
    "a layer in a sequence": lambda model: model.rest.__setitem__(1, nn.Tanh()),
    "a layer more": lambda model: model.rest.append(nn.Tanh()),
    "a sequence": lambda model: setattr(model, "rest", nn.Sequential(nn.Tanh())),
    "the forward of a layer": lambda model: setattr(model.act, "forward", torch.tanh),
    "the forward of the class": lambda _: setattr(Net, "forward", other_forward),
    "a setting": lambda model: setattr(model.drop, "p", 0.1),
    "a parameter": lambda model: setattr(model.output, "weight", nn.Parameter(torch.zeros(10, 20))),
    "a mode": lambda model: model.drop.eval(),
    "a hook": lambda model: model.hidden.register_forward_hook(lambda *_: _[2] / 2),
}  # fmt: skip
READ = {
    "a class": lambda _: setattr(Config, "p", 0.1),
    "a class that is called": lambda _: setattr(Config, "scale", 2.0),
    "a global": lambda _: globals().update(SCALE=2.0),
    "a default": lambda _: setattr(scaled, "__defaults__", (2.0, [0.0])),
    "an element of a default": lambda _: scaled.__defaults__[1].__setitem__(0, 1.0),
}
POOL = {"a setting of a copied layer": lambda model: setattr(model.pool, "kernel_size", 1)}
CHANGES = [
    pytest.param(kind, change, id=name)
    for kind, changes in ((Net, LAYERS), (Reads, READ), (Pools, POOL))
    for name, change in changes.items()
]


@pytest.fixture
def _restored(monkeypatch):
    monkeypatch.setattr(Config, "p", 0.5)
    monkeypatch.setattr(Config, "scale", 1.0)
    monkeypatch.setattr(Net, "forward", Net.forward)
    monkeypatch.setitem(globals(), "SCALE", 1.0)
    monkeypatch.setattr(scaled, "__defaults__", (1.0, [0.0]))


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize(("kind", "change"), CHANGES)
def test_a_change_within_an_epoch_brings_the_model_itself(kind, change):
    """With a plan and without."""
    torch.manual_seed(0)
    model = kind()
    captured = capture(model, IMAGES)
    form = captured.form_of(model)
    assert isinstance(form, Captured), captured.reason
    passes, loss = Passes(form), Loss(torch.arange(6), F.cross_entropy)
    passes(IMAGES, loss)
    change(model)
    torch.manual_seed(0)
    changed, _ = passes(IMAGES, loss)
    torch.manual_seed(0)
    torch.testing.assert_close(changed, model(IMAGES).detach())


def test_a_parameter_that_is_frozen_or_moved_within_an_epoch_leaves_the_plan():
    for change in (
        lambda weight: weight.requires_grad_(False),
        lambda weight: weight.register_hook(torch.zeros_like),
        lambda weight: setattr(weight, "data", weight.data / 2),
    ):
        model = Net()
        passes = Passes(capture(model, IMAGES).form_of(model))
        passes(IMAGES, Loss(torch.arange(6), F.cross_entropy))
        before = model.hidden.weight.grad.clone()
        change(model.hidden.weight)
        torch.manual_seed(0)
        logits, _ = passes(IMAGES, Loss(torch.arange(6), F.cross_entropy))
        torch.manual_seed(0)
        torch.testing.assert_close(logits, model(IMAGES).detach())
        gradient = model.hidden.weight.grad
        assert gradient is None or not torch.equal(gradient, before)


class Deployed(Net):
    """Its own `eval` does more than PyTorch's."""

    deploy = False

    def eval(self):
        super().eval()
        self.deploy = True
        return self

    def train(self, mode=True):
        self.deploy = False
        return super().train(mode)

    def forward(self, x):
        return super().forward(x) * (4 if self.deploy else 1)


@pytest.mark.parametrize("averaging", ["none", "horizontal_flip"])
def test_modes_are_set_by_the_models_own_methods(averaging):
    model = Deployed()
    captured = capture(model, IMAGES)
    form = evaluated(captured.form_of(model), averaging).eval()
    other = evaluated(copy.deepcopy(model), averaging).eval()
    assert model.deploy
    assert other.model.deploy if averaging != "none" else other.deploy
    with using("none"):
        expected = other(IMAGES)
    torch.testing.assert_close(form(IMAGES), expected)
    form.train()
    assert not model.deploy


CALLS: list[int] = []


def counted(x):
    CALLS.append(1)
    return x * (1 if len(CALLS) < 30 else 2)


class AppendsToAGlobal(Net):
    def forward(self, x):
        return counted(super().forward(x))


class ReadsByName(Net):
    def forward(self, x):
        return super().forward(x) * getattr(self, "scale", 1)


class ReadsItsNamespace(Net):
    def forward(self, x):
        return super().forward(x) * self.__dict__.get("scale", 1)


class LooksUpASize(Net):
    def forward(self, x):
        return super().forward(x) * {5: 2}.get(x.size(0), 1)


class TriesToBranch(Net):
    def forward(self, x):
        try:
            if x.mean() > 100:
                x = 2 * x
        except Exception:
            pass
        return super().forward(x)


def attributed():
    """Has an attribute, as a cache or a decorator's would be."""


attributed.scale = nn.Identity()


class CallsWithAttributes(Net):
    def forward(self, x):
        attributed()
        return super().forward(x)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (AppendsToAGlobal, r"its forward changes test_conditions\.py:\d+, counted, reads the global CALLS"),
        (ReadsByName, "forward, uses getattr"),
        (ReadsItsNamespace, "forward, uses __dict__"),
        (LooksUpASize, "uses Proxy.__hash__"),
        (TriesToBranch, "control flow"),
        (CallsWithAttributes, "attributed has attributes of its own"),
    ],
)
def test_what_cannot_be_compared_is_refused(kind, reason):
    model = kind()
    captured = capture(model, IMAGES)
    assert captured.form_of(model) is model
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(captured.reason)


def test_a_model_that_has_got_other_layers_is_called_as_it_is():
    captured = capture(Net(), IMAGES)
    assert isinstance(captured.form_of(Net()), Captured)
    model = Net()
    model.rest = model.rest[:1]
    assert captured.form_of(model) is model
    model = Net()
    del model.drop
    assert captured.form_of(model) is model
