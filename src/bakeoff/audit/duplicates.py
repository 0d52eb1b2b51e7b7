"""Near duplicates: images of the same picture with different pixels.

Two stages on gray 32 x 32 images. The first compares all pairs by the correlation of 7 x 7 thumbnails, once
for each of seven small shifts (one matrix product each), and once with every image flipped. Thumbnails of
different pictures are often similar: sky above, sea below. So the second, stricter stage compares the fine
detail, in which such pictures differ: a difference of Gaussians, divided by the local contrast, so that a
hard edge such as the black bar of a letterbox counts no more than fur or foliage. Two images are near
duplicates if, at the best shift of up to 2 pixels, the correlation of their detail is at least
1 - MAX_DISTANCE.

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

SIDE = 32

MAX_SHIFT = 2

MAX_DISTANCE = 0.15
"""Calibrated on 8,000 STL-10 images, see docs/data-check.md."""

SMALLEST_SIDE = 24
"""Smaller images have too little detail to distinguish a copy from another picture of the same class."""

MIN_THUMBNAIL_CORRELATION = 0.92
"""Threshold of the first stage; 99 % of copies shifted by 2 pixels stay above it."""

MAX_CANDIDATES = 20
"""For each shift, an image is compared in detail with at most this many others, the most similar ones."""

NARROW_BLUR, WIDE_BLUR = 0.7, 2.0  # standard deviations in pixels

CONTRAST_FLOOR = 4.0  # gray levels: fainter detail is noise

ROWS_PER_BLOCK = 512

PAIRS_PER_BLOCK = 2000

# Every shift of up to 2 pixels is one of these or the opposite of one, or is one pixel away from it.
SHIFTS = ((0, 0), (0, 2), (1, -1), (1, 1), (2, -2), (2, 0), (2, 2))

Images = NDArray[np.float32]


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


def to_gray(images: NDArray[np.uint8]) -> Images:
    """Shrink RGB images, uint8 [num_images, height, width, 3], to gray ones, float32 [num_images, 32, 32]."""
    gray = np.empty((len(images), SIDE, SIDE), np.float32)
    for index, image in enumerate(images):
        small = Image.fromarray(image).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        gray[index] = np.asarray(small)
    return gray


def find_near_duplicates(gray: Images) -> NearDuplicates:
    """Find all pairs of near duplicates, upright and flipped.

    Parameters
    ----------
    gray
        float32 [num_images, 32, 32] in 0..255, as returned by `to_gray`.
    """
    flipped = np.ascontiguousarray(gray[:, :, ::-1])
    upright_candidates, crowded = _candidates(gray, gray, SHIFTS)
    flipped_candidates, crowded_flipped = _candidates(flipped, gray, SHIFTS[:1])
    detail = _detail(gray)
    upright = 1 - _detail_correlation(detail, detail, upright_candidates)
    mirrored = 1 - _detail_correlation(_detail(flipped), detail, flipped_candidates)

    pairs = np.concatenate([upright_candidates, flipped_candidates])
    distance = np.concatenate([upright, mirrored])
    is_flipped = np.arange(len(pairs)) >= len(upright)
    near = distance <= MAX_DISTANCE
    pairs, distance, is_flipped = pairs[near], distance[near], is_flipped[near]
    _, first = np.unique(pairs, axis=0, return_index=True)  # upright comes first
    return NearDuplicates(
        pairs[first],
        np.maximum(distance[first], 0),
        is_flipped[first],
        int(np.count_nonzero(crowded | crowded_flipped)),
    )


def _candidates(
    shifted: Images, still: Images, shifts: tuple[tuple[int, int], ...]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Unique pairs of similar thumbnails (lower index first), and which images had too many."""
    num_images = len(still)
    thumbnails = _thumbnails(still, (0, 0)).T.copy()
    pairs = [np.empty((0, 2), np.int64)]
    crowded = np.zeros(num_images, np.bool_)
    for shift in shifts:
        rows = _thumbnails(shifted, shift)
        for start in range(0, num_images, ROWS_PER_BLOCK):
            correlation = rows[start : start + ROWS_PER_BLOCK] @ thumbnails
            height = len(correlation)
            correlation[np.arange(height), np.arange(start, start + height)] = -1  # the image itself
            hits = correlation >= MIN_THUMBNAIL_CORRELATION
            many = np.flatnonzero(np.count_nonzero(hits, axis=1) > MAX_CANDIDATES)
            if len(many):
                crowded[start + many] = True
                best = np.argpartition(correlation[many], -MAX_CANDIDATES, axis=1)[:, -MAX_CANDIDATES:]
                hits[many] = False
                hits[many[:, None], best] = True
            first, second = np.divmod(np.flatnonzero(hits), num_images)
            pairs.append(np.stack([first + start, second], axis=1))
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0), crowded


def _thumbnails(gray: Images, shift: tuple[int, int]) -> Images:
    """float32 [num_images, 49]: the inner 28 x 28 pixels averaged in 7 x 7 cells, with mean 0 and norm 1."""
    top, left = MAX_SHIFT + shift[0], MAX_SHIFT + shift[1]
    inner = SIDE - 2 * MAX_SHIFT
    window = gray[:, top : top + inner, left : left + inner]
    cells = window.reshape(len(gray), 7, inner // 7, 7, inner // 7).mean(axis=(2, 4))
    return _normalized(cells.reshape(len(gray), 7 * 7))


def _detail(gray: Images) -> Images:
    """float32 [num_images, 32, 32]: the fine detail, of about equal contrast everywhere."""
    from scipy.ndimage import gaussian_filter

    narrow, wide = (0, NARROW_BLUR, NARROW_BLUR), (0, WIDE_BLUR, WIDE_BLUR)
    structure = gaussian_filter(gray, narrow, mode="nearest") - gaussian_filter(gray, wide, mode="nearest")
    contrast = np.sqrt(gaussian_filter(structure**2, wide, mode="nearest"))
    return (structure / (contrast + CONTRAST_FLOOR)).astype(np.float32)


def _detail_correlation(first: Images, second: Images, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """float [num_pairs]: the correlation in the overlap of the two, at the best shift of up to MAX_SHIFT."""
    best = np.full(len(pairs), -1.0)
    shifts = range(-MAX_SHIFT, MAX_SHIFT + 1)
    for start in range(0, len(pairs), PAIRS_PER_BLOCK):
        block = slice(start, start + PAIRS_PER_BLOCK)
        left, right = first[pairs[block, 0]], second[pairs[block, 1]]
        for down in shifts:
            for across in shifts:
                a = left[:, _overlap(down), _overlap(across)].reshape(len(left), -1)
                b = right[:, _overlap(-down), _overlap(-across)].reshape(len(left), -1)
                correlation = np.einsum("ij,ij->i", _normalized(a), _normalized(b))
                best[block] = np.maximum(best[block], correlation)
    return best


def _overlap(shift: int) -> slice:
    return slice(max(0, shift), SIDE + min(0, shift))


def _normalized(rows: Images) -> Images:
    """Subtract the mean from each row and scale it to norm 1; a row of equal values becomes 0."""
    centered = rows - rows.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.einsum("ij,ij->i", centered, centered))[:, None]
    normalized: Images = centered / np.maximum(norm, np.float32(1e-6))
    return normalized


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
