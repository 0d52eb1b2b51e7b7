"""The training images that a recipe's models hold most alike to a test image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError

_MAX_ROWS, _MAX_CELLS = 512, 1 << 24
"""Test images compared at once, and similarities held: 64 MB, however many training images there are."""

_BLOCK = 64
"""Similarities that are looked at through their largest alone, and only where that is large one by one."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images of some test images.

    Attributes
    ----------
    images
        int [num_images], into the test split, ascending.
    indices
        int [num_images, k], into the training split, the nearest first.
    labels
        int [num_images, k], the classes of these training images.
    similarity
        float [num_images, k], cosine of the features, mean over seeds, -1..1, to 6 decimals.
    """

    images: NDArray[np.int64]
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    similarity: NDArray[np.float32]

    def place(self, image: int) -> int:
        """Find the row of an image in these arrays.

        Raises
        ------
        KeyError
            It is none of `images`.
        """
        place = int(np.searchsorted(self.images, image))
        if place == len(self.images) or self.images[place] != image:
            raise KeyError(image)
        return place

    def label_counts(self, image: int) -> tuple[tuple[int, int], ...]:
        """Give (class, neighbours with that label) of one image, the most frequent first."""
        counts = Counter(self.labels[self.place(image)].tolist())
        return tuple(sorted(counts.items(), key=lambda found: (-found[1], found[0])))


def nearest_training_images(
    test_features: Sequence[NDArray[np.floating]],
    train_features: Sequence[NDArray[np.floating]],
    train_labels: NDArray[np.int64],
    k: int = 10,
    images: NDArray[np.int64] | None = None,
) -> Neighbours:
    """Find the k nearest training images in a feature space, by cosine averaged over seeds.

    Each seed has a feature space of its own, so similarities are averaged, not features.

    Parameters
    ----------
    test_features
        One float [num_test, num_features] a seed (or one array with the seed first), such as the activations
        of the penultimate layer.
    train_features
        One float [num_train, num_features] a seed, in the same order of seeds.
    train_labels
        int [num_train].
    k
        Neighbours an image.
    images
        int [num_images], ascending: the test images to find neighbours of; all where it is None. The time
        grows with num_images times num_train.

    Returns
    -------
    Neighbours
        Of equally near images the lower index comes first. An image whose features are all 0 has a similarity
        of 0 to every other.

    Raises
    ------
    BakeoffError
        There are fewer than k training images.
    """
    num_train = len(train_labels)
    if not 1 <= k <= num_train:
        raise BakeoffError(
            f"{k} nearest training images were asked for; there are {num_train}.\nAsk for 1 to {num_train}."
        )
    if images is None:
        images = np.arange(len(test_features[0]))
    test = _side_by_side([features[images] for features in test_features])
    train = _side_by_side(train_features)
    indices = np.empty((len(images), k), dtype=np.int64)
    similarity = np.empty((len(images), k), dtype=np.float32)
    rows = min(_MAX_ROWS, max(1, len(images)), max(1, _MAX_CELLS // num_train))
    # Whole blocks: those of what is more than the training images keep what is less than any similarity.
    cosine = np.full((rows, -(-num_train // _BLOCK) * _BLOCK), -2, dtype=np.float32)
    for start in range(0, len(images), rows):
        chosen = slice(start, start + rows)
        held = cosine[: len(indices[chosen])]
        np.matmul(test[chosen], train.T, out=held[:, :num_train])
        indices[chosen], similarity[chosen] = _largest(held, k)
    return Neighbours(images, indices, train_labels[indices], similarity)


def _largest(cosine: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Columns [num_rows, k] and values of each row's largest, to 6 decimals; of equals the first."""
    num_rows, num_columns = cosine.shape
    # A block is what lies _BLOCK-th of a row apart, so that its largest is found in whole vectors.
    blocks = cosine.reshape(num_rows, _BLOCK, num_columns // _BLOCK)
    largest = blocks.max(axis=1)
    # k of the largest are similarities themselves, so the k-th of these is a bound for the k-th of all.
    if largest.shape[1] >= k:
        bound = np.partition(largest, -k, axis=1)[:, -k]
    else:
        bound = np.partition(cosine, -k, axis=1)[:, -k]
    bound = bound - np.float32(2e-6)  # what rounding to 6 decimals makes equal
    row, block = np.nonzero(largest >= bound[:, None])
    candidates = blocks[row, :, block]
    found, place = np.nonzero(candidates >= bound[row, None])
    row, column = row[found], place * blocks.shape[2] + block[found]
    # Equal images differ in the last digits by their place in the matrix product.
    value = np.round(candidates[found, place], 6)
    order = np.lexsort((column, -value, row))
    counts = np.bincount(row, minlength=num_rows)
    first = np.cumsum(counts) - counts
    kept = order[first[:, None] + np.arange(k)]
    return column[kept], value[kept]


def _side_by_side(runs: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """All seeds' features [num_images, all features], such that a product is the mean of their cosines."""
    share = np.float32(1 / np.sqrt(len(runs)))
    return np.concatenate([_unit_rows(features.astype(np.float32)) * share for features in runs], axis=1)


def _unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(
        features, length, out=np.zeros(features.shape, dtype=np.float32), where=length > 0
    )
    return unit
