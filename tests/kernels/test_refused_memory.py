"""Memory that kernels may not read, misaligned, empty or too short for its layer, is left to PyTorch."""

import copy

import pytest
import torch
from tests.kernels.built import LIBRARIES
from torch import nn

from bakeoff.kernels import KernelSequential
from bakeoff.kernels.library import using
from bakeoff.kernels.plan import plan_for

BATCHES = {"conv": (5, 3, 10, 10), "linear": (5, 20)}


def layers(kind, training=True):
    torch.manual_seed(1)
    if kind == "conv":
        return [nn.Conv2d(3, 6, 5), nn.ReLU(), nn.BatchNorm2d(6).train(training), nn.MaxPool2d(2)]
    return [nn.Linear(20, 9), nn.ReLU(), nn.BatchNorm1d(9).train(training)]


def misaligned(tensor):
    """The same numbers at an odd address, as in a file whose header has an odd length."""
    memory = bytearray(tensor.numel() * 4 + 1)
    flat = torch.frombuffer(memory, dtype=torch.float32, offset=1)
    return flat.as_strided(tensor.shape, tensor.stride()).copy_(tensor)


def assert_is_pytorchs(layers, batch):
    """What PyTorch's layers give, the last of them by PyTorch."""
    found = []
    for container in (KernelSequential, nn.Sequential):
        model = container(*copy.copy(layers))
        inputs = batch.detach().requires_grad_()
        output = model(inputs)
        assert "Chain" not in output.grad_fn.name()
        found.append([output, *torch.autograd.grad(output.sum(), (inputs, *model.parameters()))])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["conv", "linear"])
@pytest.mark.parametrize(
    "part", ["inputs", "0.weight", "0.bias", "2.weight", "2.bias", "2.running_mean", "2.running_var"]
)
def test_misaligned_inputs_and_parameters_are_pytorchs(implementation, kind, part):
    block, batch = layers(kind, training=False), torch.randn(BATCHES[kind])
    if part == "inputs":
        batch = misaligned(batch)
    else:
        index, name = part.split(".")
        value = misaligned(getattr(block[int(index)], name).detach())
        setattr(block[int(index)], name, value if "running" in name else nn.Parameter(value))
    assert_is_pytorchs(block, batch)
    assert plan_for(KernelSequential(*block), batch) is None


@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_a_misaligned_gradient_is_copied(implementation, kind):
    """Where it was read as it lay, the sanitizers say so."""
    model, batch = KernelSequential(*layers(kind)), torch.randn(BATCHES[kind])
    gradient = torch.randn(model(batch).shape)
    found = []
    for one in (gradient, misaligned(gradient)):
        found.append(torch.autograd.grad(model(batch), list(model.parameters()), one))
        if plan := plan_for(model, batch):
            plan.forward(batch)
            assert all(map(torch.equal, plan.backward(one), found[-1]))
    assert all(map(torch.equal, *found))


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_a_misaligned_batch_does_not_fit_a_plan(kind):
    batch = torch.randn(BATCHES[kind])
    for library in LIBRARIES.values():
        with using(library):
            plan = plan_for(KernelSequential(*layers(kind)), batch)
            assert plan.fits(batch.clone())
            assert not plan.fits(misaligned(batch))


@pytest.mark.parametrize("number_of_layers", [1, 2, 3])
@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_an_empty_batch_is_pytorchs(implementation, kind, number_of_layers):
    """It has no address: null."""
    block, batch = layers(kind, training=False)[:number_of_layers], torch.empty(0, *BATCHES[kind][1:])
    assert_is_pytorchs(block, batch)
    assert plan_for(KernelSequential(*block), batch) is None


def convolution(*shape):
    """Of 4 channels to 6, with another weight."""
    conv = nn.Conv2d(4, 6, 3)
    conv.weight = nn.Parameter(torch.randn(shape))
    return conv


def with_bias(layer, length):
    layer.bias = nn.Parameter(torch.randn(length))
    return layer


def linear(*shape):
    layer = nn.Linear(4, 6)
    layer.weight = nn.Parameter(torch.randn(shape))
    return layer


POOLED = [nn.ReLU(), nn.MaxPool2d(2)]
TOO_SHORT = {
    "an empty weight": [convolution(0, 4, 3, 3), *POOLED],
    "a convolution's weight": [convolution(6, 3, 3, 3), *POOLED],
    "a convolution's bias": [with_bias(nn.Conv2d(4, 6, 3), 5), *POOLED],
    "batch norm of images": [nn.Conv2d(4, 6, 3), nn.ReLU(), nn.BatchNorm2d(5), nn.MaxPool2d(2)],
    "a linear layer's weight": [linear(6, 3), nn.ReLU()],
    "a linear layer's bias": [with_bias(nn.Linear(4, 6), 5), nn.ReLU()],
    "batch norm of rows": [nn.Linear(4, 6), nn.ReLU(), nn.BatchNorm1d(5)],
}


@pytest.mark.parametrize("case", TOO_SHORT)
def test_parameters_too_short_for_their_layer_are_pytorchs_error(implementation, case):
    block = TOO_SHORT[case]
    batch = torch.randn((5, 4, 8, 8) if isinstance(block[0], nn.Conv2d) else (5, 4))
    messages = []
    for container in (KernelSequential, nn.Sequential):
        with pytest.raises(RuntimeError) as raised:
            container(*block)(batch)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
