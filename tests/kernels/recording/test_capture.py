"""Models that are no Sequential: what is captured gives what the model gives; what cannot be is named."""

import copy
import random
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.kernels.built import LIBRARIES
from torch import nn

from bakeoff.kernels import KernelSequential
from bakeoff.kernels.library import using
from bakeoff.kernels.plan import plan_for
from bakeoff.kernels.recording.capture import Captured, capture
from bakeoff.kernels.recording.hooks import contiguous_inputs, contiguous_output
from bakeoff.models.resnet import ResNet

pytestmark = pytest.mark.needs("compiler")


@pytest.fixture(autouse=True)
def library():
    """The best for this machine, on one thread, as a worker has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with using(next(iter(LIBRARIES.values()))):
        yield
    torch.set_num_threads(before)


def batch(count, channels=3, size=32):
    generator = torch.Generator().manual_seed(count)
    images = torch.randn(count, channels, size, size, generator=generator)
    return images.contiguous(memory_format=torch.channels_last)


def build(kind):
    """In the memory format of training; with the hooks that `build_model` gives a net with a `view`."""
    torch.manual_seed(0)
    model = kind().to(memory_format=torch.channels_last)
    if kind in (Mnist, Residual, Grouped):
        model.register_forward_pre_hook(contiguous_inputs)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(contiguous_output)
    return model


class Tutorial(nn.Module):
    """PyTorch's tutorial net."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class Mnist(nn.Module):
    """As in pytorch/examples, in its older form: ReLU after pooling, a view, dropout by function."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = x.view(-1, 320)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


class Block(nn.Module):
    """As in kuangliu/pytorch-cifar."""

    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Block(8, 8, 1), Block(8, 8, 1))
        self.layer2 = nn.Sequential(Block(8, 12, 2), Block(12, 12, 1))
        self.linear = nn.Linear(12 * 16, 10)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer2(self.layer1(out))
        out = F.avg_pool2d(out, 4)
        out = out.view(out.size(0), -1)
        return self.linear(out)


class Branches(nn.Module):
    """Another path in each mode, two paths side by side, a layer used twice."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 5, padding=2)
        self.relu, self.drop = nn.ReLU(inplace=True), nn.Dropout2d(0.3)
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("calls", torch.zeros(()))
        self.output = nn.Linear(8, 10)

    def forward(self, x):
        left, right = self.relu(self.left(x)), self.relu(self.right(x))
        both = torch.cat([F.max_pool2d(left, 2), F.max_pool2d(right, 2)], dim=1)
        if self.training:
            self.calls.add_(1)
            both = self.drop(both) * self.scale
        return self.output(both.mean((2, 3)))


NETS = {
    "tutorial": (Tutorial, 3, 32),
    "mnist": (Mnist, 1, 28),
    "residual": (Residual, 3, 32),
    "branches": (Branches, 3, 16),
    "small-best": (partial(ResNet, 10, widths=(4, 6), blocks=(1, 1)), 3, 16),
}


def passes(model, call, images, batches=2):
    """What some steps in a row give: logits, gradients and buffers, with the same random numbers."""
    torch.manual_seed(1)
    found = []
    for count in range(batches):
        part = images[: len(images) - count]
        model.zero_grad()
        logits = call(part)
        logits.square().sum().backward()
        found += [logits.detach(), *(parameter.grad.clone() for parameter in model.parameters())]
    return [*found, *(buffer.clone() for buffer in model.buffers())]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", NETS)
def test_a_captured_model_gives_what_the_model_gives(name, training):
    kind, channels, size = NETS[name]
    model, images = build(kind).train(training), batch(7, channels, size)
    captured = capture(model, batch(6, channels, size))
    assert captured.reason is None
    other = copy.deepcopy(model)
    form = captured.form_of(model)
    assert isinstance(form, Captured) or (form is model and name == "small-best")  # has kernels of its own
    with using("none"):
        expected = passes(other, other, images)
    found = passes(model, form, images)
    for one, another in zip(found, expected, strict=True):
        torch.testing.assert_close(one, another, rtol=1e-4, atol=1e-4 * float(another.abs().max()) + 1e-6)
    form.eval()
    other.eval()
    with torch.inference_mode(), using("none"):
        expected = other(images)
    with torch.inference_mode():
        torch.testing.assert_close(form(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["tutorial", "mnist", "residual", "small-best"])
def test_no_convolution_is_left_to_pytorch(name, training):
    """Also where the form was made before the model changed its mode, as the training loop does."""
    kind, channels, size = NETS[name]
    form = capture(model := build(kind), batch(6, channels, size)).form_of(model)
    form.train(training)
    images = batch(6, channels, size)
    with torch.autograd.profiler.profile(use_kineto=False) as profile:
        form(images).sum().backward()
    names = {event.name for event in profile.function_events}
    assert not any("convolution" in name for name in names)
    assert "aten::batch_norm" not in names


class Grouped(Residual):
    """A region that kernels do not take, because of one of its layers."""

    def __init__(self):
        super().__init__()
        self.layer1[1].conv2 = nn.Conv2d(8, 8, 3, padding=1, groups=2, bias=False)


class SumOfChanged(Residual):
    """A sum of what was changed in place after it was computed."""

    def forward(self, x):
        out = self.bn1(self.conv1(x))
        positive = F.relu(out, inplace=True)
        out = self.layer2(self.layer1(positive + out))
        return self.linear(F.avg_pool2d(out, 4).flatten(1))


@pytest.mark.parametrize("kind", [Grouped, SumOfChanged])
def test_sums_that_are_no_region_are_still_right(kind):
    model = build(kind)
    form = capture(model, batch(6)).form_of(model)
    other = copy.deepcopy(model)
    with using("none"):
        expected = passes(other, other, batch(7))
    assert isinstance(form, Captured)
    for one, another in zip(passes(model, form, batch(7)), expected, strict=True):
        torch.testing.assert_close(one, another, rtol=1e-4, atol=1e-4 * float(another.abs().max()) + 1e-6)


def test_the_model_keeps_its_parameters_names_and_state():
    model = build(Tutorial)
    names, parameters = list(model.state_dict()), list(model.parameters())
    form = capture(model, batch(6)).form_of(model)
    form(batch(5)).sum().backward()
    assert list(model.state_dict()) == names
    assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    assert all(one is other for one, other in zip(form.parameters(), parameters, strict=True))
    assert all(parameter.grad is not None for parameter in parameters)


def test_a_whole_chain_has_the_bits_and_the_plan_of_the_layers_in_a_kernel_sequential():
    model = build(Tutorial)
    form = capture(model, batch(6)).form_of(model)
    relu, pool = nn.ReLU(), model.pool
    layers = KernelSequential(
        *(model.conv1, relu, pool, model.conv2, relu, pool, nn.Flatten()),
        *(model.fc1, relu, model.fc2, relu, model.fc3),
    )
    images = batch(5)
    for one, other in zip(passes(model, form, images), passes(model, layers, images), strict=True):
        assert torch.equal(one, other)
    plan = plan_for(form.chain, images)
    assert plan is not None
    assert torch.equal(plan.forward(images), layers(images))
    assert {id(one) for one in plan.parameters} == {id(one) for one in model.parameters()}


def test_pooling_before_relu_is_taken_too():
    class Net(Mnist):
        def forward(self, x):
            return self.fc2(
                F.relu(self.fc1(F.relu(F.max_pool2d(F.relu(F.max_pool2d(self.conv1(x), 2)), 2)).flatten(1)))
            )

        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(360, 50)

    model = build(Net)
    chain = capture(model, batch(6, 1, 28)).form_of(model).chain
    kinds = [type(layer) for layer in chain]
    assert kinds[:3] == [nn.Conv2d, nn.ReLU, nn.MaxPool2d]


def test_a_softmax_keeps_a_model_from_being_a_chain():
    model = build(Mnist)
    form = capture(model, batch(6, 1, 28)).form_of(model)
    assert form.chain is None  # its softmax is no layer
    assert form.eval().chain is None


def nodes(output):
    """Names in an output's graph, without parameters."""
    found, waiting = [], [output.grad_fn]
    while waiting:
        node = waiting.pop()
        found.append(node.name())
        waiting.extend(one for one, _ in node.next_functions if one and "Accumulate" not in one.name())
    return found


def test_a_residual_net_is_a_region_and_what_follows_it_a_chain():
    form = capture(build(Residual), batch(6)).form_of(build(Residual))
    assert nodes(form(batch(5))) == ["_ChainBackward", "_ChainBackward"]
    images, model = batch(5), form.model
    plan, other = plan_for(form.chain, images), copy.deepcopy(model)
    recorded = capture(other, batch(6)).form_of(other)(images)
    assert torch.equal(plan.forward(images), recorded)
    found = dict(zip(map(id, plan.parameters), plan.backward(torch.ones_like(recorded)), strict=True))
    expected = torch.autograd.grad(recorded.sum(), list(other.parameters()))
    for parameter, value in zip(model.parameters(), expected, strict=True):
        assert torch.equal(found[id(parameter)], value)


def test_blocks_around_a_layer_that_no_region_takes_are_regions_of_their_own():
    class Net(Residual):
        def forward(self, x):
            return self.linear(torch.tanh(self.layer1(self.conv1(x))).mean((2, 3)))

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 10)
            self.layer1.insert(1, nn.GELU())

    model, images = build(Net), batch(5)
    captured = capture(model, batch(6))
    assert captured.reason is None
    found = nodes(captured.form_of(model)(images))
    assert found.count("_ChainBackward") == 3
    assert found.count("ConvolutionBackward0") == 0
    hook = model.layer1[2].bn1.register_forward_hook(lambda *_: None)
    assert nodes(captured.form_of(model)(images)).count("ConvolutionBackward0") == 2
    hook.remove()


def test_averaged_weights_are_called_by_the_same_capture():
    model = build(Residual)
    captured = capture(model, batch(6))
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    form = captured.form_of(other.eval())
    with torch.inference_mode():
        torch.testing.assert_close(form(batch(5)), other(batch(5)), rtol=1e-4, atol=1e-4)


def test_a_hook_on_a_block_brings_the_model_itself():
    model = build(Residual)
    form, images = capture(model, batch(6)).form_of(model.eval()), batch(4)
    seen = []
    hook = model.layer1[0].register_forward_hook(lambda *_: seen.append("block"))
    form(images)
    hook.remove()
    form(images)
    assert seen == ["block"]
    model.linear.register_forward_pre_hook(lambda *_: seen.append("linear"))
    model.layer1[1].shortcut.register_forward_hook(lambda *_: seen.append("shortcut"))
    form(images)
    assert seen[1:] == ["shortcut", "linear"]


def test_a_layer_put_in_another_mode_is_seen():
    model = build(Branches)
    form, images = capture(model, batch(6, 3, 16)).form_of(model), batch(4, 3, 16)
    model.train()
    model.drop.eval()  # as who freezes one layer
    with using("none"):
        expected = model(images)
    torch.testing.assert_close(form(images), expected, rtol=1e-4, atol=1e-5)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.output = nn.Linear(4, 10)
        self.calls, self.history, self.generator = 0, [], np.random.default_rng(0)

    def features(self, x):
        return F.relu(self.conv(x)).mean((2, 3))

    def forward(self, x):
        return self.output(self.features(x))


SCALE = 1.0


class BranchesOnData(Plain):
    def forward(self, x):
        return super().forward(x if x.mean() > 0 else -x)


class Counts(Plain):
    def forward(self, x):
        self.calls += 1
        return super().forward(x) * min(1, self.calls / 10)


class Remembers(Plain):
    def forward(self, x):
        logits = super().forward(x)
        self.history.append(x.shape)
        return logits


class DrawsInPython(Plain):
    def forward(self, x):
        return super().forward(x) * (1 + random.random())


class DrawsInNumpy(Plain):
    def forward(self, x):
        return super().forward(x) if self.generator.random() < 0.999 else super().forward(2 * x)


class DrawsInPyTorch(Plain):
    def forward(self, x):
        return super().forward(x) if torch.rand(()).item() < 0.999 else super().forward(2 * x)


class MakesTensor(Plain):
    def forward(self, x):
        return super().forward(x) + torch.zeros(10)


class FixesBatch(Plain):
    def forward(self, x):
        return super().forward(x) * (1 if len(x) > 5 else 2)


class ChangesGlobal(Plain):
    def forward(self, x):
        global SCALE  # noqa: PLW0603
        SCALE += 0.0001
        return super().forward(x) * SCALE


class StopsGradient(Plain):
    def forward(self, x):
        with torch.no_grad():
            features = self.features(x)
        return self.output(features)


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class OwnGradient(Plain):
    def forward(self, x):
        return super().forward(Straight.apply(4 * x))


class InPlace(Plain):
    def forward(self, x):
        out = self.conv(x)
        skip = out
        out += 1
        return self.output((out + skip).mean((2, 3)))


class CountsInBuffer(Plain):
    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x):
        self.steps += 1
        return super().forward(x)


class TwoTensors(Plain):
    def forward(self, x):
        logits = super().forward(x)
        return logits, x


class OwnGradientBeforeZeros(Plain):
    """No gradient reaches what is before a layer of zeros: comparing gradients shows no loss there."""

    def __init__(self):
        super().__init__()
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x):
        return self.output(Straight.apply(self.features(x)))


class AsksForGradients(Plain):
    def forward(self, x):
        return super().forward(x) * (1 if torch.is_grad_enabled() else 2)


class Scheduled:
    calls = 0

    def __call__(self):
        self.calls += 1
        return 1 if self.calls < 14 else 2


class CallsAnObject(Plain):
    def __init__(self):
        super().__init__()
        self.scheduled = Scheduled()

    def forward(self, x):
        return super().forward(x) * self.scheduled()


class CallsALambda(Plain):
    def __init__(self):
        super().__init__()
        self.options = {"scale": lambda: 1.0, "calls": 0}

    def forward(self, x):
        return super().forward(x) * self.options["scale"]()


CALLS = 0


class CountsInAMethod(Plain):
    def scale(self):
        global CALLS  # noqa: PLW0603
        CALLS += 1
        return 1 if CALLS < 14 else 2

    def forward(self, x):
        return super().forward(x) * self.scale()


class Base(Plain):
    total = 0


class CountsInItsBase(Base):
    def forward(self, x):
        Base.total += 1
        return super().forward(x) * (1 if Base.total < 14 else 2)


GENERATOR = torch.Generator().manual_seed(0)


class DrawsFromAGlobal(Plain):
    def is_dropped(self):
        return torch.rand(1, generator=GENERATOR).item() < 0.03

    def forward(self, x):
        return super().forward(x) * (0 if self.is_dropped() else 1)


class WithEpochs(Plain):
    """What the forward reads changes between epochs."""

    limits = (1.0, 2.0)

    def __init__(self):
        super().__init__()
        self.norm, self.epoch, self.act = nn.BatchNorm2d(3), 0, F.relu

    def forward(self, x):
        norm = self.norm
        x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, 0.1)
        return super().forward(self.act(x)) * (1 + self.epoch) * self.limits[0] * FACTOR


FACTOR = 1.5


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model, "epoch", 1),
        lambda model: setattr(model, "act", F.leaky_relu),
        lambda model: setattr(WithEpochs, "limits", (3.0, 2.0)),
        lambda model: model.norm.eval(),
        lambda model: globals().update(FACTOR=2.5),
    ],
    ids=["attribute", "function", "class attribute", "mode of a layer", "global"],
)
def test_what_changes_between_calls_brings_the_model_itself(change, monkeypatch):
    monkeypatch.setitem(globals(), "FACTOR", 1.5)
    monkeypatch.setattr(WithEpochs, "limits", (1.0, 2.0))
    model, images = build(WithEpochs).train(), batch(6, 3, 8)
    form = capture(model, images).form_of(model)
    assert form._program() is not None
    change(model)
    assert form._program() is None
    buffers = copy.deepcopy(dict(model.named_buffers()))
    expected = model(images)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
    torch.testing.assert_close(form(images), expected, rtol=0, atol=0)


class Flattens(Plain):
    def forward(self, x):
        return self.output(torch.flatten(input=self.features(x), start_dim=1))


class PoolsByOne(Plain):
    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d((2,))

    def features(self, x):
        return F.relu(self.pool(self.conv(x))).mean((2, 3))


@pytest.mark.parametrize("kind", [Flattens, PoolsByOne])
def test_unusual_arguments_are_captured_or_refused_but_never_an_error(kind):
    model, images = build(kind), batch(6, 3, 8)
    form = capture(model, images).form_of(model)
    torch.testing.assert_close(form(images), model(images), rtol=1e-5, atol=1e-5)


def counted_class():
    class CountsInClass(Plain):
        total = 0

        def forward(self, x):
            type(self).total += 1
            return super().forward(x)

    return CountsInClass


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (BranchesOnData, r"test_capture\.py:\d+, '.*if x\.mean\(\) > 0.*': .*control flow"),
        (Counts, r"test_capture\.py:\d+, forward, changes calls"),
        (Remembers, "model.history"),
        (DrawsInPython, "reads the global random"),
        (DrawsInNumpy, "model.generator is Generator, whose state could change"),
        (DrawsInPyTorch, r"test_capture\.py:\d+, .*torch\.rand.*: .*a tensor of its own"),
        (MakesTensor, r"test_capture\.py:\d+, .*torch\.zeros\(10\)': .*a tensor of its own"),
        (FixesBatch, r"test_capture\.py:\d+, .*len\(x\) > 5.*': .*len"),
        (ChangesGlobal, "changes SCALE"),
        (StopsGradient, r"test_capture\.py:\d+, .*no_grad.*: it uses no_grad"),
        (OwnGradient, r"test_capture\.py:\d+, .*Straight.*: it uses Function.apply"),
        (OwnGradientBeforeZeros, "it uses Function.apply"),
        (AsksForGradients, "uses is_grad_enabled"),
        (CallsAnObject, r"^test_capture\.py:\d+, __call__, changes calls"),
        (CallsALambda, "model.options is dict, whose state could change"),
        (CountsInAMethod, "changes CALLS"),
        (CountsInItsBase, "changes total"),
        (DrawsFromAGlobal, "a tensor of its own, aten.rand"),
        (InPlace, "the logits of batch 1 would differ"),
        (CountsInBuffer, "changes steps"),
        (TwoTensors, "does not return one tensor"),
        (counted_class(), "changes total"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_what_cannot_be_captured_is_named_and_runs_as_it_is(kind, reason):
    model = build(kind)
    captured = capture(model, batch(6, 3, 8))
    assert captured.form_of(model) is model
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(captured.reason)


def test_hooks_and_replaced_forwards_keep_the_model_as_it_is():
    model = build(Residual)
    model.layer2.register_forward_hook(lambda *_: None)
    assert capture(model, batch(6)).reason == "layer2 has a hook"
    model = build(Residual)
    model.bn1.forward = lambda x: x
    assert capture(model, batch(6)).reason == "bn1.forward was replaced"


def test_capturing_leaves_the_model_and_random_numbers_alone():
    model = build(Counts)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    capture(model, batch(6, 3, 8))
    assert model.calls == 0
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_models_that_kernels_take_already_and_all_without_kernels_stay_as_they_are():
    chain = KernelSequential(nn.Flatten(), nn.Linear(48, 10))
    assert capture(chain, batch(6, 3, 4)).form_of(chain) is chain
    model = build(Tutorial)
    form = capture(model, batch(6)).form_of(model)
    with using("none"):
        assert capture(model, batch(6)).form_of(model) is model
        assert form.chain is None
        assert torch.equal(form(batch(4)), model(batch(4)))


def test_recording_draws_no_progress_bar_whose_lock_a_worker_would_leave_behind(monkeypatch):
    monkeypatch.setattr("torch.fx.interpreter.tqdm", None)
    assert capture(build(Tutorial), batch(4)).reason is None
