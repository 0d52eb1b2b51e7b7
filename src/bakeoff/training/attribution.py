"""Attribution: what in an image supports a wrong prediction, by integrated gradients.

M. Sundararajan, A. Taly, Q. Yan: Axiomatic attribution for deep networks, ICML 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.study.recipe import Recipe
from bakeoff.training.evaluation import device_of
from bakeoff.training.preprocessing import Preprocessing

NUM_STEPS = 8
"""Points of the Gauss-Legendre rule.

On LeNet-5 trained for 100 epochs, plain, with L2 and with batch normalization, maps of 8 points correlate
with those of 128 at 0.99 or more in the median image and above 0.98 in 95 % of them, with a median
completeness error of 0.4 to 0.8 %. 16 points halve the error at twice the time.
"""

PIXELS_PER_CALL = 16 * 32**2
"""Of the images of a call: 16 images of 32 x 32, 256 of 8 x 8, 2 from 96 x 96 on.

Fixed, because the last bits of a sum can depend on the number of images. Counted in pixels, so that what a
call costs by itself, one to two milliseconds, is a small part of it even where a net is small because its
images are, and so that memory is bounded: as many forward passes are kept as a call has images and points,
twice that with their mirror images.
"""

TRAINING_SHARE = 0.1
"""The share of a run's training that its maps may cost, unless the study asks for all of them."""

COST_OF_POINT = 2.0
"""Of one image at one point of the rule, in passes of training: of one image, forward and backward.

The same for all nets: above the most that was measured, see `docs/development.md`.
"""

MAX_CELLS = 16
"""The maximum number of cells per side of a map."""


@dataclass(frozen=True)
class Attributions:
    """One map for each image that a run misclassifies, stored with 8 bits per cell.

    Attributes
    ----------
    image_indices
        int32 [num_maps], into the images, ascending.
    maps
        int8 [num_maps, num_cells, num_cells], -127..127; times `scale` it is the cell's contribution to the
        lead, the logit of the predicted class minus that of the true class: positive values support the
        wrong prediction.
    scale
        float32 [num_maps].
    error
        float32 [num_maps]: the completeness error, the difference between the sum of the cells and the change
        of the lead from the baseline to the image, relative to the sum of the cells' absolute values (before
        rounding to 8 bits); 0 is exact.
    """

    image_indices: NDArray[np.int32]
    maps: NDArray[np.int8]
    scale: NDArray[np.float32]
    error: NDArray[np.float32]


def attribute_wrong_answers(
    model: nn.Module,
    images_NHWC: NDArray[np.uint8],
    labels_N: NDArray[np.int64],
    logits_NK: NDArray[np.float32],
    preprocessing: Preprocessing,
    max_maps: int | None = None,
) -> Attributions | None:
    """Attribute the lead of each wrong prediction over the true class to the regions of the image.

    The baseline is a uniform image of the training images' mean color: 0 everywhere after standardization.
    Attributions are summed over the color channels and over blocks of pixels.

    Parameters
    ----------
    model
        With the weights that gave the logits; it is left in evaluation mode.
    images_NHWC, labels_N, logits_NK
        Of all images; the misclassified ones are attributed.
    max_maps
        If more are misclassified, this many of them, spread evenly over all images: those that come first in
        a fixed order of the images, so that the runs of a study have maps of the same images.

    Returns
    -------
    Attributions or None
        None if the model has no gradient. Maps that are not finite are left out.
    """
    predicted_N = logits_NK.argmax(axis=1)
    wrong = np.flatnonzero(predicted_N != labels_N)
    if max_maps is not None and len(wrong) > max_maps:
        wrong = np.sort(wrong[np.argsort(_order(wrong), kind="stable")[:max_maps]])
    maps_and_errors = []
    try:
        baseline = _baseline_logits(model, images_NHWC.shape[1], images_NHWC.shape[3])
        size = images_per_call(images_NHWC.shape[1])
        for start in range(0, len(wrong), size):
            chosen = wrong[start : start + size]
            batch = preprocessing(images_NHWC[chosen]).to(device_of(model))
            classes = (predicted_N[chosen], np.asarray(labels_N[chosen]))
            maps = _attribute(model, batch, *classes)
            change = _lead(logits_NK[chosen], *classes) - _lead(np.repeat(baseline, len(chosen), 0), *classes)
            maps_and_errors.append((maps, _error(maps, change)))
    except Exception:
        # A user's model may raise anything here; it can be trained all the same, and only lacks maps.
        return None
    num_cells = cells_per_side(images_NHWC.shape[1])
    maps, error = np.zeros((0, num_cells, num_cells)), np.zeros(0)
    if maps_and_errors:
        maps, error = (np.concatenate(parts) for parts in zip(*maps_and_errors, strict=True))
    finite = np.isfinite(maps).all(axis=(1, 2)) & np.isfinite(error)
    maps, error, wrong = maps[finite], error[finite], wrong[finite]
    scale = np.abs(maps).max(axis=(1, 2), initial=0) / 127
    levels = np.divide(maps, scale[:, None, None], out=np.zeros_like(maps), where=scale[:, None, None] > 0)
    return Attributions(
        wrong.astype(np.int32),
        np.rint(levels).astype(np.int8),
        scale.astype(np.float32),
        error.astype(np.float32),
    )


def cost_of_maps(recipe: Recipe, num_maps: float) -> float:
    """The cost of attribution maps, in passes of training."""
    evaluations = 2 if recipe.test_time_augmentation == "horizontal_flip" else 1
    return num_maps * NUM_STEPS * COST_OF_POINT * evaluations


def affordable_maps(recipe: Recipe, num_epochs: int, num_train_images: int) -> int:
    """The number of maps that cost `TRAINING_SHARE` of a run's training, which took this many epochs.

    Counted and not timed, so that results do not depend on the machine or on interruptions. None where the
    images pass through the model only once.
    """
    if recipe.trains_on_features:
        return 0
    return int(TRAINING_SHARE * num_epochs * num_train_images / cost_of_maps(recipe, 1))


def _order(images_N: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A place for each image: multiples of the golden ratio, so that any first ones are spread evenly."""
    return images_N.astype(np.uint64) * np.uint64(2_654_435_769) % np.uint64(1 << 32)


def images_per_call(image_size: int) -> int:
    """The number of images of `PIXELS_PER_CALL`, at least 2: each call reads all weights."""
    return max(2, PIXELS_PER_CALL // image_size**2)


def cells_per_side(image_size: int) -> int:
    """The number of blocks of pixels per side, at most `MAX_CELLS`: 16 for 32 pixels, 14 for 28."""
    block = -(-image_size // MAX_CELLS)
    return -(-image_size // block)


def _attribute(
    model: nn.Module, images_NCHW: Tensor, answers_N: NDArray[np.int64], labels_N: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Maps [N, num_cells, num_cells]."""
    device = images_NCHW.device
    shares_S, weights_S = (torch.from_numpy(values).to(device, images_NCHW.dtype) for values in _rule())
    # From the baseline, which is 0, to the image: [S * N, C, H, W].
    faded = (shares_S[:, None, None, None, None] * images_NCHW).flatten(0, 1).requires_grad_()
    answers, labels = (
        torch.from_numpy(classes).to(device).repeat(NUM_STEPS)[:, None] for classes in (answers_N, labels_N)
    )
    with _frozen(model):
        logits: Tensor = model(faded)
    lead = logits.gather(1, answers) - logits.gather(1, labels)
    (gradient,) = torch.autograd.grad(lead.sum(), faded)
    # Channels last, as the kernels return it: no copy.
    gradient_SX = gradient.permute(0, 2, 3, 1).reshape(NUM_STEPS, -1)
    images_NHWC = images_NCHW.permute(0, 2, 3, 1)
    slope_NHWC = (weights_S @ gradient_SX).reshape(images_NHWC.shape)
    pixels_NHW = (slope_NHWC * images_NHWC).double().sum(dim=3).cpu().numpy()
    overlap = _overlap(pixels_NHW.shape[1])
    maps: NDArray[np.float64] = overlap @ pixels_NHW @ overlap.T
    return maps


@cache
def _rule() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and weights of the Gauss-Legendre rule on 0..1."""
    points, weights = np.polynomial.legendre.leggauss(NUM_STEPS)  # on -1..1
    return (points + 1) / 2, weights / 2


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Compute no gradients of the weights inside, which are not needed and cost time."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_()


def _baseline_logits(model: nn.Module, image_size: int, num_channels: int) -> NDArray[np.float32]:
    """Logits [1, num_classes] of the baseline; the model is left in evaluation mode."""
    model.eval()
    with torch.inference_mode():
        logits: Tensor = model(torch.zeros(1, num_channels, image_size, image_size, device=device_of(model)))
    return logits.float().cpu().numpy()


def _lead(
    logits_NK: NDArray[np.float32], answers_N: NDArray[np.int64], labels_N: NDArray[np.int64]
) -> NDArray[np.float64]:
    rows = np.arange(len(logits_NK))
    lead: NDArray[np.float64] = logits_NK[rows, answers_N].astype(np.float64) - logits_NK[rows, labels_N]
    return lead


def _error(maps: NDArray[np.float64], change_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """The completeness error [N], see `Attributions`."""
    size = np.abs(maps).sum(axis=(1, 2))
    difference: NDArray[np.float64] = np.abs(maps.sum(axis=(1, 2)) - change_N)
    error: NDArray[np.float64] = np.divide(difference, size, out=np.zeros_like(size), where=size > 0)
    return error


@cache
def _overlap(image_size: int) -> NDArray[np.float64]:
    """Share of each pixel that lies in each cell along a side, [num_cells, image_size]."""
    num_cells = cells_per_side(image_size)
    edges = np.linspace(0, image_size, num_cells + 1)
    pixel = np.arange(image_size)
    shares: NDArray[np.float64] = np.clip(
        np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel), 0, 1
    )
    return shares
