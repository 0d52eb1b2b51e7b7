"""Outputs and gradients against PyTorch's own float32 and a float64 reference."""

import copy
from functools import cache

import numpy as np
import pytest
import torch
from tests.kernels.built import rounding_error_allowed
from torch import nn

from bakeoff.kernels import KernelSequential

CASES = 16
FORMATS = ("contiguous", "channels_last", "strided")


def random_case(seed, norm):
    """A block of layers and a batch of images of random shape, and a gradient for what comes out."""
    rng = np.random.default_rng([seed, norm is not None])
    torch.manual_seed(seed)
    kernel = int(rng.choice([3, 5]))
    padding = [0, 0, "same", "valid", 1, (1, 1), (2, 2)][rng.integers(7)]
    inputs, outputs = int(rng.integers(1, 11)), int(rng.integers(1, 20))
    height, width = (int(n) for n in rng.integers(kernel + 1, 16, 2))
    num_images = int(rng.choice([1, 2, 3, 7, 15, 16, 17, 31, 33]))
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=bool(rng.random() < 0.8))
    layers = [conv, nn.ReLU(), nn.MaxPool2d(2)]
    if norm is not None:
        layers.insert(2, batch_norm(outputs, norm == "train"))
    images = torch.randn(num_images, inputs, height, width)
    arrangement = FORMATS[seed % 3]
    if arrangement == "channels_last":
        images = images.contiguous(memory_format=torch.channels_last)
    if arrangement == "strided":
        images = torch.randn(num_images, inputs, width, height).transpose(2, 3)
    return layers, images


def batch_norm(channels, training):
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight)  # of both signs
    nn.init.normal_(norm.bias)
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return norm.train(training)


def is_well_conditioned(layers, images):
    """Whether rounding cannot decide which pixel wins a window, or whether ReLU lets a gradient through."""
    activated = layers[0].double()(images.double())
    distances = [activated.abs().min()]
    value = nn.Sequential(*layers[1:-1]).double()(activated)
    if value.shape[2] >= 2:
        windows = value.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2).sort(-1, descending=True).values
        apart = (windows[..., 0] - windows[..., 1]).flatten()
        distances.append(apart[apart > 1e-12].min() if (apart > 1e-12).any() else torch.tensor(1.0))
    return min(distances) > 2e-6


@cache  # the same for every implementation
def well_conditioned_case(seed, norm):
    """Layers, images, and what PyTorch gives for them in float32 and in float64."""
    for attempt in range(1000):
        layers, images = random_case(seed + CASES * attempt, norm)
        if is_well_conditioned(copy.deepcopy(layers), images):
            pytorch, exact = (
                results(nn.Sequential, layers, images, kind) for kind in (torch.float32, torch.float64)
            )
            return layers, images, pytorch, exact
    raise AssertionError("no case found")


def results(container, layers, images, dtype):
    """Output, gradients of images and parameters, and buffers."""
    model = container(*copy.deepcopy(layers)).to(dtype)
    images = images.detach().clone().to(dtype).requires_grad_()
    output = model(images)
    gradient = torch.from_numpy(np.random.default_rng(0).normal(size=tuple(output.shape))).float()
    output.backward(gradient.to(dtype))
    return [
        output.detach(),
        images.grad,
        *(parameter.grad for parameter in model.parameters()),
        *(buffer for buffer in model.buffers() if buffer.is_floating_point()),
    ]


def error(found, reference):
    """Largest difference, relative to the largest value."""
    largest = max(reference.abs().max().item(), 1e-3)
    return (found.double() - reference.double()).abs().max().item() / largest


def rms(found, reference):
    largest = max(reference.abs().max().item(), 1e-3)
    return (found.double() - reference).square().mean().sqrt().item() / largest


@pytest.mark.parametrize("norm", [None, "train", "eval"])
def test_random_shapes_agree_with_pytorch_and_with_float64(implementation, norm):
    ours, pytorchs = [], []
    for seed in range(CASES):
        layers, images, pytorch, exact = well_conditioned_case(seed, norm)
        found = results(KernelSequential, layers, images, torch.float32)
        for mine, theirs, reference in zip(found, pytorch, exact, strict=True):
            assert mine.shape == theirs.shape
            assert error(mine, theirs) < 1e-5, (seed, layers, images.shape)
            assert error(mine, reference) < 1e-5, (seed, layers, images.shape)
            ours.append(rms(mine, reference))
            pytorchs.append(rms(theirs, reference))
    assert np.mean(ours) <= rounding_error_allowed(implementation) * np.mean(pytorchs)


@pytest.mark.parametrize(("channels", "kernel", "padding"), [(6, 5, 0), (32, 5, 0), (16, 3, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_large_images_go_back_in_parts(implementation, channels, kernel, padding, layout):
    """Those of 16 or 32 channels, whose pixels are whole vectors, in a way of their own."""
    layers = [nn.Conv2d(channels, 16, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
    for parameter in layers[0].parameters():
        parameter.data = torch.randint(-1, 2, parameter.shape).float()  # sums of whole numbers are exact
    images = torch.randint(-2, 3, (3, channels, 45, 44)).float().contiguous(memory_format=layout)
    found, expected = (
        results(one, layers, images, torch.float32) for one in (KernelSequential, nn.Sequential)
    )
    assert torch.equal(found[0], expected[0])
    assert max(map(error, found, expected)) < 1e-5


@pytest.mark.parametrize("seed", range(8))
def test_whole_numbers_give_equal_bits_with_ties_in_most_windows(implementation, seed):
    """Sums of small whole numbers are exact in any order: only the rules for ties and ReLU are left."""
    layers, images = random_case(seed, None)
    torch.manual_seed(seed)
    images = torch.randint(-1, 3, images.shape).float()
    for parameter in layers[0].parameters():
        parameter.data = torch.randint(-1, 2, parameter.shape).float()

    def whole(container):
        model = container(*copy.deepcopy(layers))
        inputs = images.clone().requires_grad_()
        output = model(inputs)
        torch.manual_seed(seed)
        output.backward(torch.randint(-3, 4, output.shape).float())
        return [output.detach(), inputs.grad, *(parameter.grad for parameter in model.parameters())]

    assert all(map(torch.equal, whole(KernelSequential), whole(nn.Sequential)))


@pytest.mark.parametrize("norm", [None, "train", "eval"])
@pytest.mark.parametrize("value", [0.0, -1.0, 3.0])
def test_an_image_of_one_value(implementation, norm, value):
    layers, images = random_case(3, norm)
    images = torch.full_like(images, value)
    if (
        norm == "train"
    ):  # one value has no variance where there is no border: gradients are rounding / sqrt(eps)
        layers[0].bias = nn.Parameter(torch.full((layers[0].out_channels,), -100.0))
    found = results(KernelSequential, layers, images, torch.float32)
    expected = results(nn.Sequential, layers, images, torch.float64)
    assert max(map(error, found, expected)) < 1e-5


@pytest.mark.parametrize("norm", [None, "train", "eval"])
def test_nan_passes_through(implementation, norm):
    layers, images = random_case(5, norm)
    images[0, 0, 3, 3] = np.nan
    found = KernelSequential(*copy.deepcopy(layers))(images)
    expected = nn.Sequential(*copy.deepcopy(layers))(images)
    torch.testing.assert_close(found, expected, equal_nan=True, rtol=1e-4, atol=1e-5)
    assert found.isnan().any()


# What has no NaN where a NaN pixel is dropped by pooling: with kernels, and with PyTorch alone.
UNREACHED = {
    None: ({"output", "images", "0.weight", "0.bias"}, {"output", "images", "0.bias"}),
    "train": ({"2.bias"}, {"2.bias"}),
    "eval": ({"output", "2.weight", "2.bias"}, {"output", "images", "0.bias", "2.bias"}),
}


@pytest.mark.parametrize("norm", [None, "train", "eval"])
def test_what_a_nan_pixel_that_pooling_drops_does_not_reach(implementation, norm):
    """docs/kernels.md says so: where the gradient is 0, kernels and PyTorch multiply other pixels by it."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2)]
    if norm is not None:
        layers.insert(2, batch_norm(3, norm == "train"))
    images = torch.randn(4, 2, 9, 9)  # 7 x 7 after the convolution
    images[0, 0, 8, 8] = np.nan
    found = []
    for container in (KernelSequential, nn.Sequential):
        model, inputs = container(*copy.deepcopy(layers)), images.clone().requires_grad_()
        output = model(inputs)
        output.backward(torch.randn(output.shape))
        gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
        values = {"output": output, "images": inputs.grad, **gradients}
        found.append({name for name, value in values.items() if not value.isnan().any()})
    kernels, pytorch = UNREACHED[norm]
    assert found == [pytorch if implementation == "pytorch" else kernels, pytorch]


@pytest.mark.parametrize("norm", [None, "train", "eval"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_not_hidden(implementation, norm, value):
    """Where it reaches, NaN may stand, infinity minus infinity, for PyTorch's infinity or, by ReLU, 0."""
    layers, images = random_case(5, norm)
    images[0, 0, 3, 3] = np.nan
    reached = nn.Sequential(*copy.deepcopy(layers))(images).isnan()
    images[0, 0, 3, 3] = value
    found = KernelSequential(*copy.deepcopy(layers))(images)
    expected = nn.Sequential(*copy.deepcopy(layers))(images)
    assert not (found.isfinite() & ~expected.isfinite()).any()
    assert not (found.isnan() & ~reached).any()
    known = ~found.isnan()
    torch.testing.assert_close(found[known], expected[known], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("where", ["weight", "bias"])
def test_a_parameter_that_is_nan_shows_in_the_loss(implementation, where):
    layers, images = random_case(1, None)
    layers[0].weight.data[0] = torch.nan
    if where == "bias":
        layers[0].weight.data.zero_()
        layers[0].bias = nn.Parameter(torch.full((layers[0].out_channels,), torch.nan))
    assert KernelSequential(*layers)(images)[:, 0].isnan().all()


def test_the_first_of_equals_and_the_last_nan_win_a_window(implementation):
    """As PyTorch: `value > best or isnan(value)`, going through the window by rows."""
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    conv.weight.data.zero_()
    conv.weight.data[0, 0, 1, 1] = 1
    for window in ([1, 1, 1, 1], [0, 2, 2, 1], [-1, 0, 3, 3], [1, np.nan, 3, 2], [-1, -1, 0, 0]):
        gradients = []
        for container in (KernelSequential, nn.Sequential):
            images = torch.tensor(window, dtype=torch.float32).reshape(1, 1, 2, 2).requires_grad_()
            output = container(conv, nn.ReLU(), nn.MaxPool2d(2))(images)
            output.backward(torch.ones_like(output))
            gradients.append(images.grad)
        assert torch.equal(*gradients), window


def test_the_layout_of_weights_and_gradients_does_not_matter(implementation):
    layers, images = random_case(2, "train")
    model = KernelSequential(*layers)
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)
    gradient = torch.randn_like(model(images))
    model.load_state_dict(other.state_dict())
    model(images).backward(gradient)
    other(images).backward(gradient.contiguous(memory_format=torch.channels_last))
    for one, another in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, another.grad)
