"""The training images that a recipe's models hold most alike to a test image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError

_CHUNK = 512
"""Test images compared at once: 10 MB of similarities to 5,000 training images."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images of each test image.

    Attributes
    ----------
    indices
        int [num_test, k], into the training split, the nearest first.
    labels
        int [num_test, k], the classes of these training images.
    similarity
        float [num_test, k], cosine of the features, mean over seeds, -1..1, to 6 decimals.
    """

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    similarity: NDArray[np.float32]

    def label_counts(self, image: int) -> tuple[tuple[int, int], ...]:
        """Give (class, neighbours with that label) of one image, the most frequent first."""
        classes, counts = np.unique(self.labels[image], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return tuple((int(classes[place]), int(counts[place])) for place in order)


def nearest_training_images(
    test_features: Sequence[NDArray[np.float32]],
    train_features: Sequence[NDArray[np.float32]],
    train_labels: NDArray[np.int64],
    k: int = 10,
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
    num_train, num_test = len(train_labels), len(test_features[0])
    if not 1 <= k <= num_train:
        raise BakeoffError(
            f"{k} nearest training images were asked for; there are {num_train}.\nAsk for 1 to {num_train}."
        )
    test_unit = [_unit_rows(features) for features in test_features]
    train_unit = [_unit_rows(features) for features in train_features]
    indices = np.empty((num_test, k), dtype=np.int64)
    similarity = np.empty((num_test, k), dtype=np.float32)
    for start in range(0, num_test, _CHUNK):
        rows = slice(start, start + _CHUNK)
        cosine = np.zeros((len(indices[rows]), num_train), dtype=np.float32)
        for test, train in zip(test_unit, train_unit, strict=True):
            cosine += test[rows] @ train.T
        # Equal images differ in the last digits by their place in the matrix product.
        cosine = np.round(cosine / np.float32(len(test_unit)), 6)
        nearest = np.sort(np.argpartition(-cosine, k - 1, axis=1)[:, :k], axis=1)
        near = np.take_along_axis(cosine, nearest, axis=1)
        # argpartition picks any of several images tied for the last place; the lowest index is wanted.
        for row in np.flatnonzero((cosine >= near.min(axis=1, keepdims=True)).sum(axis=1) > k):
            nearest[row] = np.sort(np.argsort(-cosine[row], kind="stable")[:k])
            near[row] = cosine[row, nearest[row]]
        order = np.argsort(-near, axis=1, kind="stable")
        indices[rows] = np.take_along_axis(nearest, order, axis=1)
        similarity[rows] = np.take_along_axis(near, order, axis=1)
    return Neighbours(indices, train_labels[indices], similarity)


def _unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(
        features, length, out=np.zeros(features.shape, dtype=np.float32), where=length > 0
    )
    return unit
