"""Near duplicates: images of the same picture with different pixels.

Two stages on gray 32 x 32 images. The first compares all pairs by the correlation of 7 x 7 thumbnails, once
for each of seven small shifts, and once with every image flipped. Thumbnails of
different pictures are often similar: sky above, sea below. So the second, stricter stage compares the fine
detail, in which such pictures differ. Two images are near duplicates if, at the best shift of up to 2 pixels,
the correlation of their detail is at least 1 - MAX_DISTANCE.

Sources: local contrast normalization: Jarrett, Kavukcuoglu, Ranzato and LeCun, ICCV 2009. Near duplicates
between train and test are common in image data sets: Barz and Denzler, "Do we train on test data?",
Journal of Imaging 6(6), 2020.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakeoff.audit.blocks import map_blocks
from bakeoff.audit.candidates import find_candidates
from bakeoff.audit.detail import IMAGES_PER_BLOCK, MAX_SHIFT, SIDE, Details, Gray, Images, normalized
from bakeoff.data.decoding.fit import to_image
from bakeoff.data.statistics import chunks

MAX_DISTANCE = 0.15
"""Calibrated on 8,000 STL-10 images, see docs/data-check.md."""

SMALLEST_SIDE = 24
"""Smaller images have too little detail to distinguish a copy from another picture of the same class."""

# Every shift of up to 2 pixels is one of these or the opposite of one, or is one pixel away from it.
SHIFTS = ((0, 0), (0, 2), (1, -1), (1, 1), (2, -2), (2, 0), (2, 2))


class NearDuplicates(NamedTuple):
    """Pairs of near duplicates.

    Attributes
    ----------
    pairs
        int [num_pairs, 2], indices of images, the lower first.
    distance
        float [num_pairs], at most MAX_DISTANCE.
    flipped
        bool [num_pairs]: near duplicates only after flipping one of the two.
    num_crowded
        The number of images with more than MAX_CANDIDATES candidates, of which not all were compared.
    """

    pairs: NDArray[np.int64]
    distance: NDArray[np.float64]
    flipped: NDArray[np.bool_]
    num_crowded: int


def to_gray(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink images, uint8 [num_images, height, width, 3 or 1], to uint8 [num_images, 32, 32], gray."""
    height, width = images.shape[1:3]
    gray = np.empty((len(images), SIDE, SIDE), np.uint8)
    start = 0
    for chunk in chunks(images):
        # Below one another, as one image, they are converted with less overhead.
        column = to_image(chunk.reshape(-1, width, chunk.shape[3])).convert("L")
        rows = np.asarray(column).reshape(-1, height, width)
        if (height, width) != (SIDE, SIDE):
            small = [Image.fromarray(row).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for row in rows]
            rows = np.array([np.asarray(image) for image in small])
        gray[start : start + len(chunk)] = rows
        start += len(chunk)
    return gray


def find_near_duplicates(gray: Gray) -> NearDuplicates:
    """Find all pairs of near duplicates, upright and flipped.

    Parameters
    ----------
    gray
        uint8 or float32 [num_images, 32, 32] in 0..255, as returned by `to_gray`.
    """
    from threadpoolctl import threadpool_limits

    # The matrix products are small, and the threads of one would wait for each other.
    with threadpool_limits(1, "blas"):
        still = _thumbnails(gray, (0, 0))
        upright, crowded = find_candidates(still, (_thumbnails(gray, shift) for shift in SHIFTS))
        flipped, crowded_flipped = find_candidates(still, [_thumbnails(gray[:, :, ::-1], (0, 0))])
        details = Details(gray, np.unique(np.concatenate([upright, flipped])))
        upright_index, upright_correlation = details.correlate(upright, 1 - MAX_DISTANCE)
        flipped_index, flipped_correlation = details.correlate(flipped, 1 - MAX_DISTANCE, flipped=True)
    pairs = np.concatenate([upright[upright_index], flipped[flipped_index]])
    distance = 1 - np.concatenate([upright_correlation, flipped_correlation])
    is_flipped = np.arange(len(pairs)) >= len(upright_index)
    _, first = np.unique(pairs, axis=0, return_index=True)  # upright comes first
    return NearDuplicates(
        pairs[first],
        np.maximum(distance[first], 0),
        is_flipped[first],
        int(np.count_nonzero(crowded | crowded_flipped)),
    )


def _thumbnails(gray: Gray, shift: tuple[int, int]) -> Images:
    """float32 [num_images, 49]: the inner 28 x 28 pixels averaged in 7 x 7 cells, with mean 0 and norm 1."""
    cells = np.repeat(np.eye(7, dtype=np.float32) / 4, 4, axis=1)  # [7, 28], the mean of 4 pixels each
    down, across = (np.pad(cells, ((0, 0), (MAX_SHIFT + s, MAX_SHIFT - s))) for s in shift)
    weights = np.kron(down, across).T
    thumbnails = np.empty((len(gray), weights.shape[1]), np.float32)

    def fill(block: slice) -> None:
        pixels = gray[block].reshape(-1, SIDE * SIDE).astype(np.float32, copy=False)
        thumbnails[block] = normalized(pixels @ weights)

    map_blocks(fill, len(gray), IMAGES_PER_BLOCK)
    return thumbnails


def content_numbers(images: Iterable[NDArray[np.uint8]]) -> NDArray[np.int64]:
    """int [num_images]: equal numbers for equal pixels, from 0 in order of first appearance."""
    numbers: dict[bytes, int] = {}
    return np.array(
        [
            numbers.setdefault(hashlib.blake2b(image.tobytes(), digest_size=20).digest(), len(numbers))
            for image in images
        ],
        np.int64,
    )
