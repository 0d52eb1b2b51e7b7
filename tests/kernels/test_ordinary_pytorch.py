"""A model with kernels stays an ordinary PyTorch model: whatever else is done with it works and agrees."""

import copy
import io
import pickle
from collections import OrderedDict

import pytest
import torch
from torch import nn

from bakeoff.errors import BakeoffError
from bakeoff.kernels import KernelSequential
from bakeoff.kernels.library import Library, current, using
from bakeoff.models import LeNet5


@pytest.fixture(params=[False, True], ids=["plain", "batch_norm"])
def batch_norm(request):
    return request.param


def lenet5(batch_norm, **options):
    torch.manual_seed(0)
    return LeNet5(10, 32, batch_norm=batch_norm, **options)


def without_kernels(model):
    """Copies of the same layers, called one by one by PyTorch."""
    parts = copy.deepcopy({name: nn.Sequential(*layers) for name, layers in model.named_children()})
    return nn.Sequential(OrderedDict(parts))


def images(count=5, seed=1):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_state_dicts_have_the_names_of_the_layers_and_go_both_ways(implementation, batch_norm):
    model = lenet5(batch_norm)
    plain = without_kernels(model)
    assert list(model.state_dict()) == list(plain.state_dict())
    other = LeNet5(10, 32, batch_norm=batch_norm)
    other.load_state_dict(plain.state_dict())
    plain.load_state_dict(model.state_dict())
    assert_close(other(images()), plain(images()))


def test_running_statistics_are_pytorchs(implementation):
    model = lenet5(True)
    plain = without_kernels(model)
    for seed in range(3):
        for one in (model, plain):
            one(images(7, seed))
    for (name, mine), theirs in zip(model.named_buffers(), plain.buffers(), strict=True):
        assert mine.dtype == theirs.dtype
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6, msg=name)
    assert model.features[2].num_batches_tracked == 3


def test_statistics_are_kept_without_gradients_too(implementation):
    model = lenet5(True)
    plain = without_kernels(model)
    with torch.no_grad():
        assert_close(model(images()), plain(images()))
    assert_close(model.features[2].running_var, plain.features[2].running_var)


def test_copies_pickles_and_inference_mode(implementation, batch_norm):
    model = lenet5(batch_norm).eval()
    expected = model(images())
    with torch.inference_mode():
        assert torch.equal(model(images()), expected)
    assert torch.equal(copy.deepcopy(model)(images()), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(images()), expected)
    assert type(model.features[:3]) is KernelSequential


@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward"])
def test_hooks_on_layers_are_called(implementation, batch_norm, kind):
    """Attribution methods set them on single layers."""
    model = lenet5(batch_norm)
    called = []
    register = getattr(model.features[1], f"register_{kind}_hook")
    handle = register(lambda *_: called.append(kind))
    model(images()).sum().backward()
    assert called == [kind]
    handle.remove()
    model(images())
    assert called == [kind]


@pytest.mark.parametrize("power", [1, 2], ids=["constant", "dependent"])
def test_a_gradient_of_a_gradient_is_refused_and_pytorchs_where_the_message_sends(
    implementation, batch_norm, power
):
    """With a gradient from above that is a constant, or depends on the model itself."""
    model = lenet5(batch_norm)
    inputs = images(3).requires_grad_()

    def gradient():
        (found,) = torch.autograd.grad(model(inputs).pow(power).sum(), inputs, create_graph=True)
        return found

    if isinstance(current(), Library):
        with pytest.raises(BakeoffError, match=r"create_graph=True asks for .* BAKEOFF_KERNELS=off"):
            gradient()
    with using("switched off"):
        gradient().square().sum().backward()
    assert model.features[0].weight.grad.abs().max() > 0


def test_other_dtypes_autocast_and_wrong_input_are_pytorchs(implementation, batch_norm):
    model = lenet5(batch_norm).eval()
    plain = without_kernels(model)
    assert torch.equal(
        copy.deepcopy(model).double()(images().double()), without_kernels(model).double()(images().double())
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(images()), plain(images()))
    for wrong in (
        torch.zeros(2, 4, 32, 32),
        torch.zeros(2, 3, 32, 32, dtype=torch.float64),
        torch.zeros(2, 3, 4, 4),
    ):
        with pytest.raises(RuntimeError) as found:
            model(wrong)
        with pytest.raises(RuntimeError) as expected:
            plain(wrong)
        assert str(found.value) == str(expected.value)
    assert model.features(torch.zeros(0, 3, 32, 32)).shape == (0, 16, 5, 5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # PyTorch's own, in jvp
def test_transformations_of_functions(implementation):
    model = lenet5(False)
    plain = without_kernels(model)
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(model):
        return lambda values, image: torch.func.functional_call(model, values, (image[None],)).square().sum()

    single = images(4)
    found, expected = (
        torch.func.vmap(torch.func.grad(loss(one)), in_dims=(None, 0))(parameters, single)
        for one in (model, plain)
    )
    for name in parameters:
        assert_close(found[name], expected[name])
    tangent = torch.ones_like(single)
    assert_close(
        torch.func.jvp(model, (single,), (tangent,))[1], torch.func.jvp(plain, (single,), (tangent,))[1]
    )


def test_export_and_tracing_see_the_layers(implementation, batch_norm):
    model = lenet5(batch_norm).eval()
    expected = model(images())
    exported = torch.export.export(model, (images(),))
    names = {str(node.target) for node in exported.graph.nodes}
    assert any("conv2d" in name for name in names)
    assert any("max_pool2d" in name for name in names)
    assert_close(exported.module()(images()), expected)
    symbolic = torch.fx.symbolic_trace(model)
    assert_close(symbolic(images()), expected)


def test_saved_programs_run_elsewhere(implementation, batch_norm):
    model = lenet5(batch_norm).eval()
    file = io.BytesIO()
    torch.export.save(torch.export.export(model, (images(),)), file)
    file.seek(0)
    assert_close(torch.export.load(file).module()(images()), model(images()))


SETTINGS = {
    "stride": [nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2)],
    "dilation": [nn.Conv2d(3, 4, 3, dilation=2), nn.ReLU(), nn.MaxPool2d(2)],
    "groups": [nn.Conv2d(3, 6, 3, groups=3), nn.ReLU(), nn.MaxPool2d(2)],
    "reflection": [nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.MaxPool2d(2)],
    "wide padding": [nn.Conv2d(3, 4, 3, padding=5), nn.ReLU(), nn.MaxPool2d(2)],
    "7 x 7": [nn.Conv2d(3, 4, 7), nn.ReLU(), nn.MaxPool2d(2)],
    "3 x 5": [nn.Conv2d(3, 4, (3, 5)), nn.ReLU(), nn.MaxPool2d(2)],
    "padding of two sizes": [nn.Conv2d(3, 4, 3, padding=(0, 1)), nn.ReLU(), nn.MaxPool2d(2)],
    "overlapping pooling": [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2, stride=1)],
    "pooling 3": [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(3)],
    "padded pooling": [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2, padding=1)],
    "ceil mode": [nn.Conv2d(3, 4, 4), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)],
    "norm without statistics": [
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4, track_running_stats=False), nn.MaxPool2d(2),
    ],
    "norm without parameters": [
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4, affine=False), nn.MaxPool2d(2),
    ],
    "cumulative statistics": [
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4, momentum=None), nn.MaxPool2d(2),
    ],
    "norm before ReLU": [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)],
    "other activation": [nn.Conv2d(3, 4, 3), nn.LeakyReLU(), nn.MaxPool2d(2)],
    "no pooling": [nn.Conv2d(3, 4, 3), nn.ReLU()],
}  # fmt: skip


def test_another_default_type_changes_nothing(implementation, batch_norm):
    model, batch = lenet5(batch_norm), images()

    def gradients():
        logits = model(batch)
        return logits, *torch.autograd.grad(logits.square().sum(), list(model.parameters()))

    before = gradients()
    torch.set_default_dtype(torch.float64)
    try:
        after = gradients()
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_the_kernels_do_not_take_are_pytorchs(implementation, name):
    layers = SETTINGS[name]
    batch = torch.randn(5, 3, 16, 16)
    found = KernelSequential(*copy.deepcopy(layers))(batch)
    assert torch.equal(found, nn.Sequential(*copy.deepcopy(layers))(batch))
