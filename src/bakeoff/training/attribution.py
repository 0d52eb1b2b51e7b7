"""What in an image speaks for a wrong answer: integrated gradients of the images that a run gets wrong.

M. Sundararajan, A. Taly, Q. Yan: Axiomatic attribution for deep networks, ICML 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.training.evaluation import device_of
from bakeoff.training.preprocessing import Preprocessing

NUM_STEPS = 8
"""Points of the Gauss-Legendre rule.

On LeNet-5 trained for 100 epochs, plain, with L2 and with batch normalisation, maps of 8 points correlate
with those of 128 at 0.99 or more in the median image and above 0.98 in 95 % of them, and miss their total by
0.4 to 0.8 % in the median. 16 points halve this at twice the time.
"""

BATCH_SIZE = 32
"""Images a call: a fixed size, because the last bits of a sum can depend on it."""

MAX_CELLS = 16
"""A map has at most this many cells a side."""


@dataclass(frozen=True)
class Attributions:
    """One map for each image that a run gets wrong, stored in 8 bits a cell.

    Attributes
    ----------
    image_indices
        int32 [num_maps], into the images, ascending.
    maps
        int8 [num_maps, num_cells, num_cells], -127..127; times `scale` it is the cell's share of the
        difference logit of the answer minus logit of the true class: above 0 it speaks for the answer.
    scale
        float32 [num_maps].
    error
        float32 [num_maps]: by how much the cells' sum misses the change of that difference from the baseline
        to the image, over the sum of the cells' sizes (before rounding to 8 bits); 0 would be exact.
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
) -> Attributions | None:
    """Attribute each wrong answer's lead over the true class to the places of the image.

    The baseline is an even image of the training images' mean colour: 0 everywhere after standardising.
    Attributions are summed over the colour channels and over blocks of pixels.

    Parameters
    ----------
    model
        With the weights that gave the logits; it is left in evaluation mode.
    images_NHWC, labels_N, logits_NK
        Of all images; those whose highest logit is not the label's are attributed.

    Returns
    -------
    Attributions or None
        None where no gradient of the model can be had. Maps that are not finite are left out.
    """
    predicted_N = logits_NK.argmax(axis=1)
    wrong = np.flatnonzero(predicted_N != labels_N)
    found = []
    try:
        baseline = _baseline_logits(model, images_NHWC.shape[1])
        for start in range(0, len(wrong), BATCH_SIZE):
            chosen = wrong[start : start + BATCH_SIZE]
            batch = preprocessing(images_NHWC[chosen]).to(device_of(model))
            classes = (predicted_N[chosen], np.asarray(labels_N[chosen]))
            maps = _attribute(model, batch, *classes)
            change = _lead(logits_NK[chosen], *classes) - _lead(np.repeat(baseline, len(chosen), 0), *classes)
            found.append((maps, _error(maps, change)))
    except Exception:
        # A user's model may be anything: what has no gradient trains well enough, and only has no maps.
        return None
    num_cells = cells_a_side(images_NHWC.shape[1])
    maps = np.concatenate([maps for maps, _ in found]) if found else np.zeros((0, num_cells, num_cells))
    error = np.concatenate([error for _, error in found]) if found else np.zeros(0)
    finite = np.isfinite(maps).all(axis=(1, 2)) & np.isfinite(error)
    maps, error, wrong = maps[finite], error[finite], wrong[finite]
    scale = np.abs(maps).max(axis=(1, 2), initial=0) / 127
    steps = np.divide(maps, scale[:, None, None], out=np.zeros_like(maps), where=scale[:, None, None] > 0)
    return Attributions(
        wrong.astype(np.int32),
        np.rint(steps).astype(np.int8),
        scale.astype(np.float32),
        error.astype(np.float32),
    )


def cells_a_side(image_size: int) -> int:
    """As many cells as there are whole blocks of pixels, `MAX_CELLS` at most: 16 at 32 pixels, 14 at 28."""
    block = -(-image_size // MAX_CELLS)
    return -(-image_size // block)


def _attribute(
    model: nn.Module, images_NCHW: Tensor, answers_N: NDArray[np.int64], labels_N: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Maps [N, num_cells, num_cells]."""
    device = images_NCHW.device
    points, weights = np.polynomial.legendre.leggauss(NUM_STEPS)  # on -1..1
    shares_S, weights_S = (
        torch.from_numpy(values).to(device, images_NCHW.dtype) for values in ((points + 1) / 2, weights / 2)
    )
    # From the baseline, which is 0, to the image: [S * N, C, H, W].
    faded = (shares_S[:, None, None, None, None] * images_NCHW).flatten(0, 1).requires_grad_()
    answers, labels = (
        torch.from_numpy(classes).to(device).repeat(NUM_STEPS)[:, None] for classes in (answers_N, labels_N)
    )
    with _frozen(model):
        logits: Tensor = model(faded)
    lead = logits.gather(1, answers) - logits.gather(1, labels)
    (gradient,) = torch.autograd.grad(lead.sum(), faded)
    # Channels last, as the kernels leave it: no copy.
    gradient_SX = gradient.permute(0, 2, 3, 1).reshape(NUM_STEPS, -1)
    images_NHWC = images_NCHW.permute(0, 2, 3, 1)
    slope_NHWC = (weights_S @ gradient_SX).reshape(images_NHWC.shape)
    pixels_NHW = (slope_NHWC * images_NHWC).double().sum(dim=3).cpu().numpy()
    overlap = _overlap(pixels_NHW.shape[1])
    maps: NDArray[np.float64] = overlap @ pixels_NHW @ overlap.T
    return maps


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """What the model computes inside has no gradients of its weights, which would only cost time."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_()


def _baseline_logits(model: nn.Module, image_size: int) -> NDArray[np.float32]:
    """Logits [1, num_classes] of the baseline; the model is left in evaluation mode."""
    model.eval()
    with torch.inference_mode():
        logits: Tensor = model(torch.zeros(1, 3, image_size, image_size, device=device_of(model)))
    return logits.float().cpu().numpy()


def _lead(
    logits_NK: NDArray[np.float32], answers_N: NDArray[np.int64], labels_N: NDArray[np.int64]
) -> NDArray[np.float64]:
    rows = np.arange(len(logits_NK))
    lead: NDArray[np.float64] = logits_NK[rows, answers_N].astype(np.float64) - logits_NK[rows, labels_N]
    return lead


def _error(maps: NDArray[np.float64], change_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much the cells' sums miss the change of the lead, over the sums of the cells' sizes [N]."""
    size = np.abs(maps).sum(axis=(1, 2))
    missed: NDArray[np.float64] = np.abs(maps.sum(axis=(1, 2)) - change_N)
    error: NDArray[np.float64] = np.divide(missed, size, out=np.zeros_like(size), where=size > 0)
    return error


def _overlap(image_size: int) -> NDArray[np.float64]:
    """Share of each pixel [num_cells, image_size] in each cell of a side; one cut in two counts in both."""
    num_cells = cells_a_side(image_size)
    edges = np.linspace(0, image_size, num_cells + 1)
    pixel = np.arange(image_size)
    shares: NDArray[np.float64] = np.clip(
        np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel), 0, 1
    )
    return shares
