"""Plans: a pass laid out once gives the bits of chains that are found anew each time, batch after batch."""

import copy

import pytest
import torch
from tests.kernels.built import LIBRARIES
from torch import nn

from bakeoff.kernels import KernelSequential
from bakeoff.kernels.library import using
from bakeoff.kernels.plan import plan_for
from bakeoff.models import LeNet5

pytestmark = pytest.mark.needs("compiler")


@pytest.fixture(params=list(LIBRARIES))
def library(request):
    with using(LIBRARIES[request.param]):
        yield request.param


def batches(count, number=3, size=18, channels_last=True):
    generator = torch.Generator().manual_seed(count)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for _ in range(number):
        yield torch.randn(count, 3, size, size, generator=generator).contiguous(memory_format=layout)


def layers(norm=False, after_pooling=(), last_bias=True):
    torch.manual_seed(1)

    def normalise(layer):
        return [layer] if norm else []

    return [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        *normalise(nn.BatchNorm2d(4)),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 7, 5, bias=False),
        nn.ReLU(),
        *normalise(nn.BatchNorm2d(7)),
        nn.MaxPool2d(2),
        *after_pooling,
        nn.Flatten(),
        nn.Linear(7 * 2 * 2, 12),
        nn.ReLU(),
        *normalise(nn.BatchNorm1d(12)),
        nn.Linear(12, 5, bias=last_bias),
    ]


def assert_plan_is_the_model(model, many):
    """Each batch planned, and by a copy of the model as PyTorch records it: the same bits, statistics too."""
    other = copy.deepcopy(model)
    plan = plan_for(model, many[0])
    assert plan is not None
    for inputs in many:
        assert plan.fits(inputs)
        torch.manual_seed(0)
        logits = other(inputs)
        gradient = torch.randn(logits.shape)
        other.zero_grad()
        logits.backward(gradient)
        torch.manual_seed(0)
        found = plan.forward(inputs).clone()
        gradients = plan.backward(gradient)
        assert torch.equal(found, logits)
        assert all(one is another for one, another in zip(plan.parameters, model.parameters(), strict=True))
        expected = [parameter.grad for parameter in other.parameters()]
        assert len(gradients) == len(expected)
        assert all(map(torch.equal, gradients, expected))
        assert all(map(torch.equal, model.buffers(), other.buffers()))


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
@pytest.mark.parametrize("channels_last", [True, False], ids=["last", "first"])
@pytest.mark.parametrize("count", [2, 33])
def test_the_same_bits_batch_after_batch(library, norm, training, channels_last, count):
    model = KernelSequential(*layers(norm, last_bias=norm)).train(training)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    assert_plan_is_the_model(model, list(batches(count, channels_last=channels_last)))


@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_lenet5_is_planned_as_a_whole(library, norm):
    assert_plan_is_the_model(LeNet5(10, 32, batch_norm=norm), list(batches(24, size=32)))


def test_dropout_of_rows_is_planned(library):
    assert_plan_is_the_model(LeNet5(10, 18, dropout=0.3), list(batches(6)))


def test_weights_that_an_optimizer_moves_are_read_anew(library):
    model = LeNet5(10, 18)
    first, second = batches(8, number=2)
    plan = plan_for(model, first)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    assert torch.equal(plan.forward(second), model(second).detach())


def test_what_is_copied_on_the_way_is_copied_anew(library):
    # Dropout that changes nothing keeps the pooling from knowing that flattening comes next.
    model = KernelSequential(*layers(after_pooling=[nn.Dropout(0.5)])).eval()
    assert_plan_is_the_model(model, list(batches(5)))


def test_a_layer_used_twice_is_passed_twice(library):
    torch.manual_seed(0)
    relu = nn.ReLU()
    model = KernelSequential(nn.Linear(6, 7), relu, nn.Linear(7, 7), relu, nn.Linear(7, 4))
    assert_plan_is_the_model(model, [torch.randn(5, 6) for _ in range(2)])


def test_a_gradient_of_another_layout_is_taken(library):
    model = LeNet5(10, 18)
    (inputs,) = batches(6, number=1)
    plan = plan_for(model, inputs)
    logits = plan.forward(inputs)
    gradient = torch.randn(logits.shape)
    expected = [one.clone() for one in plan.backward(gradient)]
    transposed = gradient.t().contiguous().t()
    assert not transposed.is_contiguous()
    assert all(map(torch.equal, plan.backward(transposed), expected))


class Twice(LeNet5):
    """Is not its layers alone."""

    def forward(self, inputs):
        return 2 * super().forward(inputs)


def watched(model):
    model.register_forward_hook(lambda *_: None)
    return model


def watched_inside(model):
    model[0].register_forward_hook(lambda *_: None)
    return model


def frozen(model):
    model[0].weight.requires_grad_(False)
    return model


def every_other(model):
    model[0].bias = nn.Parameter(torch.randn(8)[::2])
    return model


def shared():
    linear = nn.Linear(12, 12)
    return KernelSequential(*layers()[:-1], linear, nn.ReLU(), linear)


NOT_PLANNED = {
    "a layer with weights used twice": shared,
    "another container": lambda: nn.Sequential(*layers()),
    "a forward of its own": lambda: Twice(10, 18),
    "a hook": lambda: watched(KernelSequential(*layers())),
    "a hook inside": lambda: watched_inside(KernelSequential(*layers())),
    "dropout of images": lambda: KernelSequential(*layers(after_pooling=[nn.Dropout(0.5)])),
    "dropout at the end": lambda: KernelSequential(*layers(), nn.Dropout()),
    "another layer": lambda: KernelSequential(*layers(), nn.Softmax(1)),
    "a frozen weight": lambda: frozen(KernelSequential(*layers())),
    "a bias that is not dense": lambda: every_other(KernelSequential(*layers())),
    "float64": lambda: KernelSequential(*layers()).double(),
    "a copy of the batch": lambda: KernelSequential(nn.Flatten(), nn.Linear(3 * 18 * 18, 5)),
    "no layers": KernelSequential,
}


@pytest.mark.parametrize("case", list(NOT_PLANNED))
def test_no_plan_for(library, case):
    (inputs,) = batches(4, number=1)
    assert plan_for(KernelSequential(*layers()), inputs) is not None
    assert plan_for(NOT_PLANNED[case](), inputs) is None


def test_no_plan_where_dropout_would_read_the_first_batch_again(library):
    model = KernelSequential(nn.Flatten(), nn.Dropout(), nn.Linear(3 * 18 * 18, 5))
    (inputs,) = batches(4, number=1, channels_last=False)
    assert plan_for(model, inputs) is None


def test_no_plan_where_operations_are_changed_or_inputs_not_plain(library):
    model = KernelSequential(*layers())
    (inputs,) = batches(4, number=1)
    assert plan_for(model, inputs.double()) is None
    assert plan_for(model, inputs[:, :, :, ::2]) is None
    assert plan_for(model, inputs.clone().requires_grad_()) is None
    with torch.autocast("cpu"):
        assert plan_for(model, inputs) is None
    with using("switched off for the test"):
        assert plan_for(model, inputs) is None
    assert plan_for(model, inputs) is not None


def test_a_bias_that_is_not_dense_is_read_rightly(library):
    model = every_other(KernelSequential(*layers()))
    (inputs,) = batches(4, number=1)
    expected = nn.Sequential(*model)(inputs)
    assert torch.allclose(model(inputs), expected, atol=1e-5)
    norm = KernelSequential(*layers(norm=True)).eval()
    norm[2].bias = nn.Parameter(torch.randn(8)[::2])
    assert torch.allclose(norm(inputs), nn.Sequential(*norm)(inputs), atol=1e-5)
