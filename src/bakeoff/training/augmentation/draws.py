"""The random numbers of augmentation, drawn for a batch.

Both ordinary and stacked training draw them here, so that a seed augments its images equally in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.study.settings.augmentation import AugmentationSettings

ERASED_AREA = (0.02, 0.33)

ERASED_RATIO = (0.3, 3.3)


def crop_corners(number: int, padding: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Top and left corner of each crop in the padded image: [2, N], 0..2 padding."""
    return draw.integers(0, 2 * padding + 1, (2, number))


def flips(number: int, draw: np.random.Generator) -> NDArray[np.bool_]:
    """Whether each image is flipped [N], with probability 1/2."""
    flipped: NDArray[np.bool_] = draw.random(number) < 0.5
    return flipped


def jitter_directions(number: int, draw: np.random.Generator) -> NDArray[np.float32]:
    """Relative change of brightness, contrast and saturation of each image: [3, N] in -1..1."""
    return draw.uniform(-1, 1, (3, number)).astype(np.float32)


def zooms(number: int, zoom: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Affine maps [N, 2, 3] that show 1 - zoom..1 + zoom of each image's width and height.

    The ratio of the two is within 1 - zoom / 2..1 + zoom / 2.
    """
    scale = 1 + zoom * draw.uniform(-1, 1, number)
    ratio = 1 + zoom / 2 * draw.uniform(-1, 1, number)
    maps = np.zeros((number, 2, 3), np.float32)
    maps[:, 0, 0], maps[:, 1, 1] = scale * ratio, scale / ratio
    return maps


def erased_boxes(
    number: int, probability: float, height: int, width: int, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Top, left, bottom and right of the erased box of each image: [4, N]; where none is, bottom is top."""
    erased = draw.random(number) < probability
    area = draw.uniform(*ERASED_AREA, number) * height * width
    ratio = np.exp(draw.uniform(math.log(ERASED_RATIO[0]), math.log(ERASED_RATIO[1]), number))
    box_height = np.clip(np.rint(np.sqrt(area / ratio)), 1, height).astype(int)
    box_width = np.clip(np.rint(np.sqrt(area * ratio)), 1, width).astype(int)
    top = (draw.random(number) * (height - box_height + 1)).astype(int)
    left = (draw.random(number) * (width - box_width + 1)).astype(int)
    return np.stack([top, left, top + np.where(erased, box_height, 0), left + box_width])


@dataclass(frozen=True)
class Blending:
    """How the images of a batch are blended with others in the batch.

    Attributes
    ----------
    partners_N
        int64, the index in the batch of the image that has the rest of the weight.
    share
        Weight of the image's own label: 0.5..1 for mixup, 0..1 for CutMix.
    box
        Top, left, bottom and right of the rectangle that CutMix replaces; None for mixup.
    """

    partners_N: NDArray[np.int64]
    share: float
    box: tuple[int, int, int, int] | None = None


def blending(
    settings: AugmentationSettings, number: int, height: int, width: int, draw: np.random.Generator
) -> Blending | None:
    """Draw the blending of a batch, if any: CutMix with its probability, otherwise mixup."""
    if settings.cutmix and draw.random() < settings.cutmix:
        return cutmix_blending(number, height, width, draw)
    return mixup_blending(number, settings.mixup, draw) if settings.mixup else None


def mixup_blending(number: int, alpha: float, draw: np.random.Generator) -> Blending:
    """One share per batch from Beta(alpha, alpha), folded to 0.5..1.

    After folding, the image with the larger weight is the image itself; for random pairs this changes nothing
    else.
    """
    share = 0.5 + abs(float(draw.beta(alpha, alpha)) - 0.5)
    return Blending(draw.permutation(number), share)


def cutmix_blending(number: int, height: int, width: int, draw: np.random.Generator) -> Blending:
    """One rectangle for the whole batch; its area is uniform before clipping at the border."""
    side = math.sqrt(draw.random())
    center_row, center_column = int(draw.integers(0, height)), int(draw.integers(0, width))
    box_height, box_width = int(height * side), int(width * side)
    top, left = max(center_row - box_height // 2, 0), max(center_column - box_width // 2, 0)
    bottom = min(center_row + (box_height + 1) // 2, height)
    right = min(center_column + (box_width + 1) // 2, width)
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return Blending(draw.permutation(number), share, (top, left, bottom, right))
