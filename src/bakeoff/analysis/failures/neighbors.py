"""The nearest training images of a test image in the feature space of a recipe's models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError

_MAX_ROWS, _MAX_CELLS = 512, 1 << 24
"""Test images compared at once, and similarities in memory: 64 MB for any number of training images."""

_BLOCK = 64
"""Similarities per block; only the maximum of each block is used to find a bound."""


@dataclass(frozen=True)
class Neighbors:
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
            If it is not among `images`.
        """
        place = int(np.searchsorted(self.images, image))
        if place == len(self.images) or self.images[place] != image:
            raise KeyError(image)
        return place

    def label_counts(self, image: int) -> tuple[tuple[int, int], ...]:
        """Return (class, number of neighbors with that label) of one image, the most frequent first."""
        counts = Counter(self.labels[self.place(image)].tolist())
        return tuple(sorted(counts.items(), key=lambda label_count: (-label_count[1], label_count[0])))


def nearest_training_images(
    test_features: Sequence[NDArray[np.floating]],
    train_features: Sequence[NDArray[np.floating]],
    train_labels: NDArray[np.int64],
    k: int = 10,
    images: NDArray[np.int64] | None = None,
) -> Neighbors:
    """Find the k nearest training images in a feature space, by cosine averaged over seeds.

    Each seed has its own feature space, so similarities are averaged, not features.

    Parameters
    ----------
    test_features
        One float [num_test, num_features] per seed (or one array with the seed first), such as the
        activations of the penultimate layer.
    train_features
        One float [num_train, num_features] per seed, in the same order of seeds.
    train_labels
        int [num_train].
    k
        The number of neighbors per image.
    images
        int [num_images], ascending: the test images to find neighbors of; all if None. The time
        is proportional to num_images times num_train.

    Returns
    -------
    Neighbors
        Of equally near images, the one with the lower index comes first. An image whose features are all 0
        has a similarity of 0 to every other.

    Raises
    ------
    BakeoffError
        If there are fewer than k training images.
    """
    num_train = len(train_labels)
    if not 1 <= k <= num_train:
        raise BakeoffError(
            f"k: found {k} nearest training images; expected 1 to {num_train}, the number of training images"
        )
    if images is None:
        images = np.arange(len(test_features[0]))
    test = _side_by_side([features[images] for features in test_features])
    train = _side_by_side(train_features)
    indices = np.empty((len(images), k), dtype=np.int64)
    similarity = np.empty((len(images), k), dtype=np.float32)
    step = min(_MAX_ROWS, max(1, _MAX_CELLS // num_train))
    memory = np.empty((min(step, len(images)), num_train), dtype=np.float32)
    for start in range(0, len(images), step):
        rows = test[start : start + step]
        cosine = np.matmul(rows, train.T, out=memory[: len(rows)])
        for image, (row, bound) in enumerate(zip(cosine, _below_nearest(cosine, k), strict=True), start):
            near = np.flatnonzero(row >= bound)
            # The similarities of equal images can differ in the last digits, depending on their position.
            rounded = np.round(row[near], 6)
            order = np.argsort(-rounded, kind="stable")[:k]
            indices[image], similarity[image] = near[order], rounded[order]
    return Neighbors(images, indices, train_labels[indices], similarity)


def _below_nearest(cosine: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Return a bound for each row [num_rows] that its k largest values reach, and few others.

    Each of the k largest block maxima is a similarity of the row, so at least k similarities reach the
    smallest of these maxima. Selecting among the maxima takes a twentieth of the time of selecting among all.
    """
    num_blocks = cosine.shape[1] // _BLOCK
    if num_blocks >= k:
        cosine = cosine[:, : num_blocks * _BLOCK].reshape(-1, _BLOCK, num_blocks).max(axis=1)
    bound: NDArray[np.float32] = np.partition(cosine, -k, axis=1)[:, -k]
    return bound - np.float32(2e-6)  # rounding to 6 decimals may make these equal


def _side_by_side(runs: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """Concatenate the unit features of all seeds, so that a dot product is the mean of their cosines."""
    num_images, num_features = runs[0].shape
    unit = np.empty((num_images, len(runs), num_features), dtype=np.float32)
    for place, features in enumerate(runs):
        unit[:, place] = _unit_rows(features.astype(np.float32)) / np.float32(np.sqrt(len(runs)))
    return unit.reshape(num_images, len(runs) * num_features)


def _unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(
        features, length, out=np.zeros(features.shape, dtype=np.float32), where=length > 0
    )
    return unit
