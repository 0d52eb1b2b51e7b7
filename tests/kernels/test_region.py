"""Regions: graphs of layers in lanes give what PyTorch gives, layer by layer."""

import copy
import random

import pytest
import torch
from tests.kernels.built import LIBRARIES, rounding_error_allowed
from torch import nn

from bakeoff.kernels import KernelSequential, run_graph
from bakeoff.kernels.chain import run_chain
from bakeoff.kernels.library import using
from bakeoff.kernels.matching import find_graph
from bakeoff.kernels.plan import plan_for
from bakeoff.models.resnet import ResNet

RELATIVE = 1e-5
pytestmark = pytest.mark.needs("compiler")


@pytest.fixture(params=list(LIBRARIES))
def library(request):
    with using(LIBRARIES[request.param]):
        yield LIBRARIES[request.param]


def chained(*layers):
    return [(layer, (index,)) for index, layer in enumerate(layers)]


def values_of(layers, inputs):
    values = [inputs]
    for layer, places in layers:
        given = [values[place] for place in places]
        values.append(given[0] + given[1] if layer is None else layer(*given))
    return values[-1]


class Net(nn.Module):
    """A graph of layers, by kernels or, as PyTorch does it, one by one."""

    def __init__(self, layers, kernels):
        super().__init__()
        self.layers = copy.deepcopy(layers)
        self.owned = nn.ModuleList(layer for layer, _ in self.layers if layer is not None)
        self.kernels = kernels

    def forward(self, inputs):
        found = run_graph(self.layers, inputs) if self.kernels else values_of(self.layers, inputs)
        assert found is not None
        return found


def everything(net, inputs, seed=3):
    """Output, gradients and buffers after one pass."""
    inputs = inputs.clone().requires_grad_()
    output = net(inputs)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed))
    output.backward(weights.to(output.dtype))
    return {
        "output": output.detach(),
        "inputs": inputs.grad,
        **{name: parameter.grad for name, parameter in net.named_parameters()},
        **dict(net.named_buffers()),
    }


def errors(found, exact):
    """Largest error of each tensor, relative to its largest value.

    A bias before batch norm has a gradient of 0 and rounding: relative to that of its weights.
    """
    assert list(found) == list(exact)
    result = {}
    for name, value in found.items():
        of_weight = exact.get(name.replace("bias", "weight"), exact[name])
        largest = max(exact[name].abs().max().item(), of_weight.abs().max().item(), 1e-3)
        result[name] = (value.double() - exact[name].double()).abs().max().item() / largest
    return result


def assert_is_pytorchs(layers, inputs, training=True):
    found = everything(Net(layers, True).train(training), inputs)
    exact = everything(Net(layers, False).double().train(training), inputs.double())
    for name, error in errors(found, exact).items():
        assert error < RELATIVE, (name, error)


def convolution(choose, channels, outs=None, **more):
    settings = {"kernel_size": 3, "padding": choose.choice((0, 1, 1, 2)), "bias": choose.random() < 0.5}
    return nn.Conv2d(channels, outs or choose.randint(1, 14), **{**settings, **more})


def normalise(channels):
    """Scales of both signs, and statistics that are not those at the start."""
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias), nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return norm


def winograd(choose, channels):
    return chained(convolution(choose, channels))


def strided(choose, channels):
    kernel, stride = choose.choice(((3, 2), (1, 1), (1, 2), (5, 1), (5, 3), (2, 2), (7, 2)))
    padding = choose.randrange(min(kernel, 3))
    return chained(convolution(choose, channels, kernel_size=kernel, stride=stride, padding=padding))


def depthwise(choose, channels):
    """A filter for each channel, then a product of the channels, as in MobileNet."""
    kernel, stride = choose.choice(((3, 1), (3, 2), (5, 1), (2, 2)))
    first = convolution(
        choose, channels, channels, kernel_size=kernel, stride=stride, padding=1, groups=channels
    )
    second = convolution(choose, channels, kernel_size=1, padding=0)
    return chained(first, normalise(channels), nn.ReLU(), second)


def normed(choose, channels):
    first, second = convolution(choose, channels), convolution(choose, channels, 5)
    layers = [first, normalise(first.out_channels), nn.ReLU()]
    if choose.random() < 0.5:
        layers[1:] = [nn.ReLU(), normalise(first.out_channels)]
    second = convolution(choose, first.out_channels, padding=1)
    return chained(*layers, second, nn.ReLU())


def pooled(choose, channels):
    pool = choose.choice(
        (
            nn.MaxPool2d(2),
            nn.MaxPool2d(3, ceil_mode=True),
            nn.MaxPool2d((2, 3)),
            nn.AvgPool2d(2, ceil_mode=True),
            nn.AvgPool2d(3),
            nn.AdaptiveAvgPool2d(1),
            nn.AdaptiveMaxPool2d((1, 1)),
        )
    )
    return chained(normalise(channels), nn.ReLU(), pool, normalise(channels), nn.Conv2d(channels, 4, 1))


def residual(choose, channels):
    """As in ResNet, with a shortcut that changes the number of channels."""
    outs = choose.randint(1, 9)
    return [
        (convolution(choose, channels, outs, padding=1, stride=2), (0,)),
        (normalise(outs), (1,)),
        (nn.ReLU(), (2,)),
        (convolution(choose, outs, outs, padding=1), (3,)),
        (normalise(outs), (4,)),
        (nn.AvgPool2d(2, ceil_mode=True), (0,)),
        (nn.Conv2d(channels, outs, 1), (6,)),
        (normalise(outs), (7,)),
        (None, (5, 8)),
        (nn.ReLU(), (9,)),
        (convolution(choose, outs, outs, padding=1), (10,)),
        (normalise(outs), (11,)),
        (None, (10, 12)),
        (nn.ReLU(), (13,)),
        (nn.AdaptiveAvgPool2d(1), (14,)),
        (nn.Flatten(), (15,)),
    ]


def before_activation(choose, channels):
    """Batch norm and ReLU before the convolution, and sums that nothing follows."""
    return [
        (normalise(channels), (0,)),
        (nn.ReLU(), (1,)),
        (convolution(choose, channels, channels, padding=1), (2,)),
        (None, (3, 0)),
        (normalise(channels), (4,)),
        (nn.ReLU(), (5,)),
        (convolution(choose, channels, channels, padding=1), (6,)),
        (None, (7, 4)),
        (None, (8, 8)),
        (nn.ReLU(), (9,)),
        (nn.ReLU(), (10,)),
        (None, (10, 11)),
    ]


KINDS = [winograd, strided, depthwise, normed, pooled, residual, before_activation]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_outputs_gradients_and_statistics_are_pytorchs(library, kind, seed):
    choose = random.Random(seed)
    torch.manual_seed(seed)
    channels = choose.randint(2, 13)  # a single one before batch norm has gradients of rounding alone
    layers = kind(choose, channels)
    shape = choose.randint(2, 37), channels, choose.randint(7, 14), choose.randint(7, 14)
    memory_format = choose.choice((torch.contiguous_format, torch.channels_last))
    inputs = torch.randn(shape).contiguous(memory_format=memory_format)
    for training in (True, False):
        assert_is_pytorchs(layers, inputs, training)


@pytest.mark.parametrize("channels", [(3, 10), (16, 24), (36, 36), (65, 33)])
def test_rounding_errors_are_not_larger_than_pytorchs(library, channels):
    torch.manual_seed(0)
    layers = chained(nn.Conv2d(*channels, 3, padding=1), normalise(channels[1]))
    inputs = torch.randn(24, channels[0], 16, 16)
    exact = everything(Net(layers, False).double(), inputs.double())
    ours, pytorchs = (errors(everything(Net(layers, kernels), inputs), exact) for kernels in (True, False))
    for name in ("output", "inputs", "owned.0.weight", "owned.1.weight", "owned.1.running_var"):
        assert ours[name] < 2 * rounding_error_allowed(library.instruction_set) * max(pytorchs[name], 1e-7), (
            name
        )


def test_a_variance_far_from_zero_keeps_its_digits(library):
    """Images around 1000 with a deviation of 0.01, each group of images around another mean."""
    torch.manual_seed(0)
    inputs = 1000 + 0.01 * torch.randn(40, 3, 8, 8) + 0.01 * torch.arange(40)[:, None, None, None]
    layers = chained(nn.BatchNorm2d(3))
    found = everything(Net(layers, True), inputs)
    exact = everything(Net(layers, False).double(), inputs.double())
    assert errors(found, exact)["owned.0.running_var"] < 1e-5
    torch.testing.assert_close(found["output"].double(), exact["output"], rtol=0, atol=0.02)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d(2)], ids=["max", "mean"])
def test_nan_goes_where_pytorch_has_it_and_infinity_is_not_hidden(library, value, norm, pool):
    torch.manual_seed(0)
    between = [nn.BatchNorm2d(4)] if norm else []
    layers = chained(nn.Conv2d(2, 4, 3, padding=1), *between, nn.ReLU(), pool)
    inputs = torch.randn(21, 2, 9, 9)
    inputs[20, 1, 4, 3] = inputs[3, 0, 8, 0] = value
    found, expected = (everything(Net(layers, kernels), inputs) for kernels in (True, False))
    for name in expected:
        if value != value:  # a product with a gradient of 0 may be NaN where PyTorch leaves it out
            more = found[name].isnan() & ~expected[name].isnan()
            assert not (expected[name].isnan() & ~found[name].isnan()).any(), name
            assert not more.any() or name == "owned.0.weight", name
        elif name in ("output", "owned.1.running_mean"):
            assert not found[name][~expected[name].isfinite()].isfinite().any(), name


def test_images_of_a_batch_in_evaluation_do_not_touch_one_another(library):
    torch.manual_seed(0)
    net = Net(residual(random.Random(0), 3), True).eval()
    images = torch.randn(150, 3, 16, 16)
    together = net(images)
    with torch.no_grad():
        assert torch.equal(net(images), together)  # in parts
        for index in (0, 63, 64, 149):
            assert torch.equal(net(images[index : index + 1])[0], together[index])


def test_the_same_bytes_again(library):
    torch.manual_seed(0)
    net, images = ResNet(10, widths=[5, 7], blocks=[1, 2]), torch.randn(21, 3, 16, 16)
    first, second = (everything(copy.deepcopy(net), images) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_residual_net_is_one_node_and_gives_what_it_gave(library):
    torch.manual_seed(2)
    net, images = ResNet(10, widths=[5, 7, 9], blocks=[2, 1, 2]), torch.randn(19, 3, 20, 20)
    exact = copy.deepcopy(net).double()
    assert net(images).grad_fn.name() == "_ChainBackward"
    net.load_state_dict(exact.state_dict())
    found, expected = everything(net, images), everything(exact, images.double())
    assert max(errors(found, expected).values()) < RELATIVE
    handle = net.stages[1].register_forward_hook(lambda *_: None)
    assert net(images).grad_fn.next_functions[1][0].name() == "MeanBackward1"
    handle.remove()
    seen = []
    handle = net.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    assert net(images).grad_fn.next_functions[1][0].name() == "_ChainBackward"
    assert seen == [(19, 9)]
    handle.remove()


def test_the_residual_net_has_a_plan(library):
    planned, images = ResNet(10, widths=[5, 7], blocks=[1, 2]), torch.randn(19, 3, 20, 20)
    recorded = copy.deepcopy(planned)
    plan = plan_for(planned, images)
    for batch in (images, torch.randn(19, 3, 20, 20)):
        logits = recorded(batch)
        assert torch.equal(plan.forward(batch), logits)
        gradient = torch.randn(logits.shape)
        expected = torch.autograd.grad(logits, list(recorded.parameters()), gradient)
        found = dict(zip(map(id, plan.parameters), plan.backward(gradient), strict=True))
        for parameter, value in zip(planned.parameters(), expected, strict=True):
            assert torch.equal(found[id(parameter)], value)
    assert all(map(torch.equal, planned.buffers(), recorded.buffers()))

    class Derived(ResNet):
        def forward(self, images):
            return 2 * super().forward(images)

    assert plan_for(Derived(10, widths=[5, 7], blocks=[1, 2]), images) is None
    assert plan_for(ResNet(10, widths=[5], blocks=[1], dropout=0.5), images) is not None


REFUSED = {
    "groups": [nn.Conv2d(4, 4, 3, groups=2)],
    "dilation": [nn.Conv2d(4, 4, 3, dilation=2)],
    "reflection": [nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")],
    "strides of two sizes": [nn.Conv2d(4, 4, 3, stride=(1, 2))],
    "another number of channels": [nn.Conv2d(3, 4, 3)],
    "overlapping pooling": [nn.MaxPool2d(3, stride=2), nn.Conv2d(4, 4, 3)],
    "padded pooling": [nn.AvgPool2d(2, padding=1), nn.Conv2d(4, 4, 3)],
    "other activation": [nn.GELU(), nn.Conv2d(4, 4, 3)],
    "cumulative statistics": [nn.BatchNorm2d(4, momentum=None), nn.Conv2d(4, 4, 3)],
    "float64": [nn.Conv2d(4, 4, 3).double()],
    "flattened pixels": [nn.Flatten(), nn.Linear(256, 4)],
    "image smaller than the kernel": [nn.AvgPool2d(9), nn.Conv2d(4, 4, 3)],
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_regions_do_not_take(library, case):
    assert run_graph(chained(*REFUSED[case]), torch.randn(5, 4, 8, 8)) is None


def test_empty_batches_and_single_numbers_are_pytorchs(library):
    layers = chained(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    assert find_graph(layers, (5, 4, 8, 8))
    assert find_graph(layers, (0, 4, 8, 8)) is None
    _, left = find_graph(layers, (1, 4, 3, 3))
    assert left == [layers[1][0]]


def test_a_sum_of_more_parts_than_kernels_join_is_pytorchs(library):
    convs = [(nn.Conv2d(2, 2, 1), (0,)), (nn.ReLU(), (1,))]
    sums = [(None, (2, 0)), (None, (3, 2)), (None, (4, 2)), (None, (5, 2)), (nn.ReLU(), (6,))]
    assert find_graph([*convs, *sums], (3, 2, 5, 5)) is None


def test_a_pass_without_gradients_of_inputs_or_of_weights(library):
    torch.manual_seed(0)
    layers = chained(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3, stride=2)
    )
    images = torch.randn(9, 3, 8, 8)
    everywhere = everything(Net(layers, True), images)
    net = Net(layers, True)
    net(images).backward(torch.randn(9, 5, 3, 3, generator=torch.Generator().manual_seed(3)))
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter.grad, everywhere[name])
    frozen = Net(layers, True).requires_grad_(False)
    inputs = images.clone().requires_grad_()
    frozen(inputs).backward(torch.randn(9, 5, 3, 3, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(inputs.grad, everywhere["inputs"])
    chain, left = find_graph(layers, images.shape)
    assert not left
    with torch.no_grad():
        assert torch.equal(run_chain(library, chain, images), everywhere["output"])


def test_a_sequence_in_a_region_is_taken_apart(library):
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 4, 3), KernelSequential(nn.BatchNorm2d(4), nn.ReLU()), nn.Identity())
    layers = [(block, (0,)), (nn.Sequential(), (1,)), (None, (1, 2))]
    assert_is_pytorchs(layers, torch.randn(9, 3, 8, 8))


def visual_geometry_group():
    torch.manual_seed(0)
    return [
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 9, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(9, 5),
    ]


def test_a_run_of_layers_is_a_region_and_the_whole_net_a_plan(library):
    layers, images = visual_geometry_group(), torch.randn(19, 3, 13, 12)
    net = KernelSequential(*copy.deepcopy(layers))
    assert net(images).grad_fn.name() == "_ChainBackward"
    found = everything(KernelSequential(*copy.deepcopy(layers)), images)
    exact = everything(nn.Sequential(*copy.deepcopy(layers)).double(), images.double())
    assert max(errors(found, exact).values()) < RELATIVE
    planned, recorded = (KernelSequential(*copy.deepcopy(layers)) for _ in range(2))
    plan = plan_for(planned, images)
    for batch in (images, torch.randn(19, 3, 13, 12)):
        logits = recorded(batch)
        assert torch.equal(plan.forward(batch), logits)
        gradient = torch.randn(logits.shape)
        expected = torch.autograd.grad(logits, list(recorded.parameters()), gradient)
        assert all(map(torch.equal, plan.backward(gradient), expected))
    assert all(map(torch.equal, planned.buffers(), recorded.buffers()))


def test_a_region_of_a_sequence_ends_where_a_layer_is_not_taken(library):
    layers = visual_geometry_group()
    layers.insert(7, nn.GELU())
    layers[10:] = [nn.Conv2d(9, 4, 3), nn.Flatten(), nn.Linear(4 * 4 * 4, 5)]
    images = torch.randn(19, 3, 13, 12)
    found = everything(KernelSequential(*copy.deepcopy(layers)), images)
    exact = everything(nn.Sequential(*copy.deepcopy(layers)).double(), images.double())
    assert max(errors(found, exact).values()) < RELATIVE
    names, waiting = [], [KernelSequential(*layers)(images).grad_fn]
    while waiting:
        node = waiting.pop()
        names.append(node.name())
        waiting.extend(one for one, _ in node.next_functions if one and "Accumulate" not in one.name())
    assert names == ["_ChainBackward", "GeluBackward0", "_ChainBackward"]
