"""Chains: several layers as one node of the graph give what PyTorch gives, layer by layer."""

import copy

import pytest
import torch
from torch import nn

from bakeoff.kernels import KernelSequential, run_layers

RELATIVE = 1e-5


def net(norm=False, dropout=0.0):
    """Convolutions and linear layers, small enough for many tries."""
    torch.manual_seed(1)

    def normalise(layer):
        return [layer] if norm else []

    layers = [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        *normalise(nn.BatchNorm2d(4)),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 7, 3, bias=False),
        nn.ReLU(),
        *normalise(nn.BatchNorm2d(7)),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(7 * 3 * 3, 12),
        nn.ReLU(),
        *normalise(nn.BatchNorm1d(12)),
        *([nn.Dropout(dropout)] if dropout else []),
        nn.Linear(12, 9, bias=False),
        nn.ReLU(),
        *normalise(nn.BatchNorm1d(9)),
        nn.Linear(9, 5),
    ]
    return layers


def batch(count=21):
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(2))


def everything(model, inputs, seed=0):
    """Logits, gradients and buffers after one pass."""
    inputs = inputs.clone().requires_grad_()
    torch.manual_seed(seed)
    logits = model(inputs)
    logits.backward(torch.randn(logits.shape, generator=torch.Generator().manual_seed(3)).to(logits.dtype))
    return {
        "logits": logits.detach(),
        "inputs": inputs.grad,
        **{name: parameter.grad for name, parameter in model.named_parameters()},
        **dict(model.named_buffers()),
    }


def assert_alike(found, expected):
    assert list(found) == list(expected)
    for name, value in found.items():
        if expected[name] is None:
            assert value is None, name
            continue
        largest = max(expected[name].abs().max().item(), 1e-3)
        error = (value.double() - expected[name].double()).abs().max().item() / largest
        assert error < RELATIVE, (name, error)


def nodes(output):
    """The names of the nodes of an output's graph, leaves left out."""
    found, waiting = [], [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and "AccumulateGrad" not in node.name():
            found.append(node.name())
            waiting.extend(one for one, _ in node.next_functions)
    return found


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
@pytest.mark.parametrize("count", [1, 21])
def test_logits_gradients_and_statistics_are_pytorchs(implementation, norm, dropout, training, count):
    if norm and training and count == 1:
        return  # refused; see below
    layers = net(norm, dropout)
    found, exact = (
        everything(container(*copy.deepcopy(layers)).train(training).to(kind), batch(count).to(kind))
        for container, kind in ((KernelSequential, torch.float32), (nn.Sequential, torch.float64))
    )
    if dropout and training:  # float64 draws others
        exact = everything(nn.Sequential(*layers).train(training), batch(count))
    assert_alike(found, exact)


def test_one_image_has_no_variance_and_pytorch_says_so(implementation):
    model = KernelSequential(*net(norm=True))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        model(batch(1))


@pytest.mark.needs("compiler")
def test_the_layers_of_lenet5_are_one_node_across_containers():
    from tests.kernels.built import LIBRARIES

    from bakeoff.kernels.library import using
    from bakeoff.models import LeNet5

    for library in LIBRARIES.values():
        with using(library):
            for norm in (False, True):
                model = LeNet5(10, 32, batch_norm=norm)
                assert nodes(model(torch.randn(3, 3, 32, 32))) == ["_ChainBackward"]
            dropped = LeNet5(10, 32, dropout=0.5)
            for mode in (True, False):
                assert nodes(dropped.train(mode)(torch.randn(3, 3, 32, 32))) == ["_ChainBackward"]


@pytest.mark.parametrize("frozen", [range(4), range(9), [0], [10], [4, 9]])
def test_frozen_layers_get_no_gradient_and_the_others_theirs(implementation, frozen):
    layers = net(norm=True)
    for index in frozen:
        layers[index].requires_grad_(False)
    inputs = batch()

    def gradients(container):
        model = container(*copy.deepcopy(layers))
        model(inputs).square().sum().backward()
        return {name: parameter.grad for name, parameter in model.named_parameters()}

    assert_alike(gradients(KernelSequential), gradients(nn.Sequential))


@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_the_gradient_of_the_inputs_alone_is_that_beside_others(implementation, norm):
    model, inputs = KernelSequential(*net(norm)), batch().requires_grad_()
    found = []
    for trained in (True, False):
        model.requires_grad_(trained)
        found += torch.autograd.grad(model(inputs).square().sum(), inputs)
    assert torch.equal(*found)


def test_hooks_on_layers_and_containers_are_called_in_the_midst_of_a_chain(implementation):
    layers = net()
    model = KernelSequential(nn.Sequential(*layers[:6]), KernelSequential(*layers[6:]))
    expected = nn.Sequential(*layers)(batch())
    for watched in (model[0], model[1], model[0][1], model[1][3], model[1][-1]):
        seen = []
        hook = watched.register_forward_hook(lambda *_, seen=seen: seen.append(1))
        torch.testing.assert_close(model(batch()), expected, rtol=1e-4, atol=1e-5)
        assert seen == [1]
        hook.remove()


def test_a_layer_that_stands_twice_is_called_twice(implementation):
    square = nn.Linear(6, 6)
    layers = [square, nn.ReLU(), square]
    inputs = torch.randn(4, 6)
    found = everything(KernelSequential(*layers), inputs)
    square.zero_grad()
    assert_alike(found, everything(nn.Sequential(*layers), inputs))


def test_what_a_chain_does_not_take_in_the_middle_is_called(implementation):
    layers = net()
    layers.insert(11, nn.Tanh())
    layers.insert(4, nn.Identity())
    assert_alike(
        everything(KernelSequential(*copy.deepcopy(layers)), batch()),
        everything(nn.Sequential(*layers), batch()),
    )


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LeakyReLU(inplace=True)],
        [nn.Flatten(), nn.LeakyReLU(inplace=True)],
        [nn.Flatten(), nn.Linear(3 * 16 * 16, 4), nn.Flatten(), nn.Dropout(), nn.LeakyReLU(inplace=True)],
        [nn.Flatten(), nn.Linear(3 * 16 * 16, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)],
    ],
)
def test_outputs_can_be_changed_in_place(implementation, layers):
    """What PyTorch does not need for the backward pass, a chain does not either."""
    found = []
    for container in (KernelSequential, nn.Sequential):
        model = container(*copy.deepcopy(layers)).eval()
        inputs = batch().requires_grad_()
        output = model(inputs * 1)
        if type(layers[-1]) is nn.Linear:  # the gradient of the others needs what they gave
            output.mul_(2)
        output.square().sum().backward()
        found.append({"output": output.detach(), "inputs": inputs.grad})
    assert_alike(*found)


@pytest.mark.parametrize("shape", [(4, 7), (4, 2, 6), (6,)])
def test_inputs_of_linear_layers_that_a_chain_does_not_take_are_pytorchs(implementation, shape):
    layers = [nn.Linear(6, 3), nn.ReLU()]
    outcomes = []
    for container in (KernelSequential, nn.Sequential):
        try:
            outcomes.append(container(*layers)(torch.ones(shape)).tolist())
        except RuntimeError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def test_a_weight_changed_between_forward_and_backward_is_an_error(implementation):
    model = KernelSequential(*net())
    loss = model(batch()).sum()
    with torch.no_grad():
        model[-1].weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_backward_twice_gives_twice_the_gradient(implementation):
    model = KernelSequential(*net(norm=True))
    loss = model(batch()).square().sum()
    loss.backward(retain_graph=True)
    once = [parameter.grad.clone() for parameter in model.parameters()]
    loss.backward()
    for parameter, gradient in zip(model.parameters(), once, strict=True):
        assert torch.equal(parameter.grad, 2 * gradient)


def test_any_layers_can_be_run():
    """`run_layers` takes what can be called one after another, containers or not."""
    layers = net()
    expected = nn.Sequential(*layers)(batch())
    torch.testing.assert_close(run_layers(layers, batch()), expected, rtol=1e-4, atol=1e-5)
    assert run_layers([], batch()).shape == (21, 3, 16, 16)
