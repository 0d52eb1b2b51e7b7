"""Linear layers with ReLU and batch norm, against PyTorch's float32 and a float64 reference."""

import copy

import numpy as np
import pytest
import torch
from tests.kernels.built import LIBRARIES, rounding_error_allowed
from torch import nn

from bakeoff.kernels import KernelSequential, linear
from bakeoff.kernels.library import using
from bakeoff.kernels.matching import LARGEST_LINEAR

CASES = 24


def random_case(seed, norm):
    """A layer of random size and rows for it, around and between the sizes of tiles and vectors."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    inputs, outputs = (int(rng.choice([1, 2, 5, 6, 7, 15, 16, 17, 31, 64, 65, 130])) for _ in range(2))
    rows = int(rng.choice([2, 3, 5, 6, 7, 13, 16, 17, 33, 128]))
    layers = [nn.Linear(inputs, outputs, bias=bool(rng.random() < 0.8))]
    if norm is not None or rng.random() < 0.7:
        layers.append(nn.ReLU())
    if norm is not None:
        layers.append(nn.BatchNorm1d(outputs).train(norm == "train"))
        for parameter in layers[-1].parameters():
            nn.init.normal_(parameter)
        nn.init.normal_(layers[-1].running_mean)
        nn.init.uniform_(layers[-1].running_var, 0.5, 2)
    return layers, torch.randn(rows, inputs)


def is_well_conditioned(layers, rows):
    """Whether rounding cannot decide what ReLU lets through, and no column is all alike."""
    values = copy.deepcopy(layers[0]).double()(rows.double())
    return values.abs().min() > 1e-6 and (len(layers) < 3 or values.relu().std(0).min() > 0.05)


def cases(norm):
    found, seed = [], 0
    while len(found) < CASES:
        layers, rows = random_case(seed, norm)
        if is_well_conditioned(layers, rows):
            found.append((layers, rows))
        seed += 1
    return found


def results(container, layers, rows, dtype=torch.float32):
    model = container(*copy.deepcopy(layers)).to(dtype)
    rows = rows.detach().clone().to(dtype).requires_grad_()
    output = model(rows)
    gradient = torch.from_numpy(np.random.default_rng(0).normal(size=tuple(output.shape))).float()
    output.backward(gradient.to(dtype))
    buffers = (buffer for buffer in model.buffers() if buffer.is_floating_point())
    return [output.detach(), rows.grad, *(parameter.grad for parameter in model.parameters()), *buffers]


def relative(found, reference):
    return (found.double() - reference.double()) / max(reference.abs().max().item(), 1e-3)


@pytest.mark.parametrize("norm", [None, "train", "eval"])
def test_random_sizes_agree_with_pytorch_and_with_float64(implementation, norm):
    ours, pytorchs = [], []
    for layers, rows in cases(norm):
        exact = results(nn.Sequential, layers, rows, torch.float64)
        found, pytorch = (results(container, layers, rows) for container in (KernelSequential, nn.Sequential))
        for mine, theirs, reference in zip(found, pytorch, exact, strict=True):
            assert relative(mine, theirs).abs().max() < 1e-5, (layers, rows.shape)
            assert relative(mine, reference).abs().max() < 1e-5, (layers, rows.shape)
            ours.append(relative(mine, reference).square().mean().sqrt().item())
            pytorchs.append(relative(theirs, reference).square().mean().sqrt().item())
    assert np.mean(ours) <= rounding_error_allowed(implementation) * np.mean(pytorchs)


@pytest.mark.parametrize("seed", range(6))
def test_whole_numbers_give_equal_bits_with_many_values_at_zero(implementation, seed):
    layers, rows = random_case(seed, None)
    rows = torch.randint(-1, 3, rows.shape).float()
    for parameter in layers[0].parameters():
        parameter.data = torch.randint(-1, 2, parameter.shape).float()

    def whole(container):
        model = container(*copy.deepcopy(layers))
        inputs = rows.clone().requires_grad_()
        output = model(inputs)
        output.backward(torch.ones_like(output))
        return [output.detach(), inputs.grad, *(parameter.grad for parameter in model.parameters())]

    assert all(map(torch.equal, whole(KernelSequential), whole(nn.Sequential)))


def test_as_many_weights_as_the_kernel_takes(implementation):
    torch.manual_seed(0)
    layers, rows = [nn.Linear(LARGEST_LINEAR // 120, 120)], torch.randn(37, LARGEST_LINEAR // 120)
    exact = results(nn.Sequential, layers, rows, torch.float64)
    found, pytorch = (results(container, layers, rows) for container in (KernelSequential, nn.Sequential))
    ours, theirs = (
        [relative(*pair).square().mean().sqrt() for pair in zip(one, exact, strict=True)]
        for one in (found, pytorch)
    )
    assert max(relative(*pair).abs().max() for pair in zip(found, pytorch, strict=True)) < 1e-5
    assert sum(ours) <= rounding_error_allowed(implementation) * sum(theirs)


def test_dropout_draws_what_pytorch_draws(implementation):
    layers, rows = [nn.Dropout(0.3), nn.Linear(40, 40), nn.Dropout(), nn.Linear(40, 3)], torch.randn(9, 40)
    found = []
    for container in (KernelSequential, nn.Sequential):
        torch.manual_seed(3)
        found.append([*results(container, layers, rows), torch.get_rng_state()])
    assert torch.equal(found[0][1] == 0, found[1][1] == 0)
    assert torch.equal(found[0][-1], found[1][-1])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("words_before", [0, 1, 622, 623, 624])
@pytest.mark.parametrize("count", [1, 311, 312, 313, 5000])
def test_dropout_is_pytorchs_to_the_bit_from_any_state(implementation, count, words_before):
    layers, rows = [nn.Dropout(0.1 + count % 8 / 10), nn.Linear(count, 1)], torch.zeros(1, count)
    nn.init.ones_(layers[1].weight)  # the gradient of a row is what it is multiplied by
    found = []
    for container in (KernelSequential, nn.Sequential):
        torch.manual_seed(count)
        torch.rand(words_before)
        found.append((results(container, layers, rows)[1], torch.get_rng_state()))
    assert all(map(torch.equal, *found))


def test_dropout_is_pytorchs_where_pytorch_draws_otherwise(implementation, monkeypatch):
    monkeypatch.setattr(linear, "_draws_as_pytorch", lambda library: False)
    test_dropout_draws_what_pytorch_draws(implementation)


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("change", ["numbers", "state"])
def test_a_generator_that_draws_otherwise_is_noticed(monkeypatch, change):
    for library in LIBRARIES.values():
        assert linear._draws_as_pytorch.__wrapped__(library)
    draw = torch.Tensor.bernoulli_

    def other(noise, passing, generator):
        draw(noise, passing, generator=generator)
        if change == "state":
            torch.rand(1, generator=generator)
        return noise.neg_() if change == "numbers" else noise

    monkeypatch.setattr(torch.Tensor, "bernoulli_", other)
    for library in LIBRARIES.values():
        assert not linear._draws_as_pytorch.__wrapped__(library)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("norm", [False, True])
def test_nan_and_infinity_pass_through(implementation, norm, value):
    layers = [nn.Linear(20, 9), nn.ReLU(), *([nn.BatchNorm1d(9)] if norm else [])]
    rows = torch.randn(5, 20)
    rows[1, 3] = value
    found, expected = (results(one, layers, rows) for one in (KernelSequential, nn.Sequential))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, equal_nan=True, rtol=1e-4, atol=1e-5)
    assert found[0].isnan().any() or not np.isnan(value)


def test_rows_and_weights_in_any_layout(implementation):
    layer = nn.Linear(10, 7)
    layer.weight = nn.Parameter(torch.randn(10, 7).t())
    rows = torch.randn(10, 4).t()
    expected = nn.Sequential(layer, nn.ReLU())(rows)
    torch.testing.assert_close(KernelSequential(layer, nn.ReLU())(rows), expected)
    KernelSequential(layer, nn.ReLU())(rows).sum().backward()
    gradient = layer.weight.grad.clone()
    layer.weight.grad = None
    expected.sum().backward()
    torch.testing.assert_close(gradient, layer.weight.grad)


@pytest.mark.needs("compiler")
def test_layers_too_large_for_the_kernel_are_pytorchs():
    for library in LIBRARIES.values():
        with using(library):
            inputs = LARGEST_LINEAR // 64
            for size, expected in ((inputs, "_ChainBackward"), (inputs + 1, "AddmmBackward0")):
                layer = nn.Linear(size, 64)
                output = KernelSequential(layer)(torch.randn(3, size))
                assert output.grad_fn.name() == expected
