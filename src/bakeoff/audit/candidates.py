"""Candidates for near duplicates: the pairs of images with similar thumbnails, of all pairs.

Most pairs are compared by an upper bound of their correlation only: the product of their NUM_COMPONENTS first
principal components, plus the product of the norms of the rest (the inequality of Cauchy and Schwarz). Pairs
are not compared at all where the first two components show that they are farther apart than two similar
thumbnails. So the result is that of comparing all pairs in full.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.environment import available_cores

MIN_CORRELATION = 0.92
"""Of two thumbnails; 99 % of copies shifted by 2 pixels stay above it."""

MAX_CANDIDATES = 20
"""In each pass, an image is compared in detail with at most this many others, the most similar ones."""

NUM_COMPONENTS = 16
"""With fewer, more pairs pass the bound; with more, the bound takes longer."""

BLOCK = 512
"""So many rows and columns are compared at a time: the results fit into a core's own memory."""

ROUNDING = 1e-5
"""More than the rounding errors of the bound, which is computed in single precision."""

REACH = math.sqrt(2 - 2 * MIN_CORRELATION) + ROUNDING
"""Two similar thumbnails are at most so far from each other."""

Thumbnails = NDArray[np.float32]


class _Block(NamedTuple):
    """Some thumbnails, with similar first components.

    Attributes
    ----------
    images
        int [num_images], their indices.
    thumbnails
        float32 [num_images, size].
    reduced
        float32 [num_images, NUM_COMPONENTS + 1], the components and the norm of the rest.
    """

    images: NDArray[np.int64]
    thumbnails: Thumbnails
    reduced: NDArray[np.float32]

    def corners(self) -> NDArray[np.float32]:
        """float32 [2, 2]: the lowest and the highest values of the first two components."""
        plane = self.reduced[:, :2]
        return np.array([plane.min(axis=0), plane.max(axis=0)])


def find_candidates(
    still: Thumbnails, passes: Iterable[Thumbnails]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find the pairs of images whose thumbnails correlate by at least MIN_CORRELATION.

    Parameters
    ----------
    still
        float32 [num_images, size], each with mean 0 and a norm of 1, or 0.
    passes
        Thumbnails of the same images, shifted or flipped, that are compared with `still` one after another.

    Returns
    -------
    pairs
        int [num_pairs, 2], unique and sorted, the lower index first.
    crowded
        bool [num_images]: in one of the passes there were more than MAX_CANDIDATES, and only these were kept.
    """
    num_images = len(still)
    axes = np.linalg.eigh(still.T.astype(np.float64) @ still)[1][:, ::-1][:, :NUM_COMPONENTS]
    columns = _divide(still, axes)
    corners = np.array([block.corners() for block in columns]).reshape(-1, 2, 2)

    def compare(rows: _Block) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        lowest, highest = rows.corners()
        apart = np.maximum(np.maximum(corners[:, 0] - highest, lowest - corners[:, 1]), 0)
        near = np.flatnonzero(np.sum(apart**2, axis=1) <= REACH**2)
        return _compare(rows, [columns[index] for index in near])

    numbers = [np.empty(0, np.int64)]
    crowded = np.zeros(num_images, np.bool_)
    with ThreadPoolExecutor(available_cores()) as pool:
        for thumbnails in passes:
            for first, second, too_many in pool.map(compare, _divide(thumbnails, axes)):
                numbers.append(np.minimum(first, second) * num_images + np.maximum(first, second))
                crowded[too_many] = True
    return np.stack(np.divmod(np.unique(np.concatenate(numbers)), max(num_images, 1)), axis=1), crowded


def _divide(thumbnails: Thumbnails, axes: NDArray[np.float64]) -> list[_Block]:
    """Blocks of BLOCK thumbnails: strips along the first component, divided along the second."""
    exact = thumbnails.astype(np.float64)
    components = exact @ axes
    rest = np.sqrt(np.maximum(np.sum(exact**2, axis=1) - np.sum(components**2, axis=1), 0))
    reduced = np.column_stack([components, rest]).astype(np.float32)
    strip = BLOCK * math.ceil(math.sqrt(len(thumbnails) / BLOCK)) or 1
    images = np.argsort(reduced[:, 0])
    for start in range(0, len(images), strip):
        part = images[start : start + strip]
        images[start : start + strip] = part[np.argsort(reduced[part, 1])]
    parts = (images[start : start + BLOCK] for start in range(0, len(images), BLOCK))
    return [_Block(part, thumbnails[part], reduced[part]) for part in parts]


def _compare(
    rows: _Block, columns: list[_Block]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The images of the pairs, first and second, and those of `rows` that have too many."""
    kept = _Kept(len(rows.images))
    for block in columns:
        # A scalar is compared with three times as fast as one threshold per row.
        bound = np.divide(rows.reduced, kept.threshold) @ block.reduced.T
        row, column = np.divmod(np.flatnonzero(bound >= 1), bound.shape[1])
        correlation = np.einsum("ij,ij->i", rows.thumbnails[row], block.thumbnails[column])
        similar = (correlation >= MIN_CORRELATION) & (rows.images[row] != block.images[column])
        if similar.any():
            kept.add(row[similar], block.images[column[similar]], correlation[similar])
    return rows.images[kept.row], kept.image, rows.images[kept.crowded]


class _Kept:
    """The pairs found so far of a block of rows, at most MAX_CANDIDATES for each.

    Attributes
    ----------
    row, image, correlation
        [num_pairs], the row in the block and the image that it is similar to.
    crowded
        bool [num_rows]: some were left out.
    threshold
        float32 [num_rows, 1]: pairs with a lower correlation are not kept.
    """

    def __init__(self, num_rows: int) -> None:
        self.row = self.image = np.empty(0, np.int64)
        self.correlation = np.empty(0, np.float32)
        self.crowded = np.zeros(num_rows, np.bool_)
        self.threshold = np.full((num_rows, 1), MIN_CORRELATION - ROUNDING, np.float32)

    def add(self, row: NDArray[np.int64], image: NDArray[np.int64], correlation: NDArray[np.float32]) -> None:
        self.row = np.concatenate([self.row, row])
        self.image = np.concatenate([self.image, image])
        self.correlation = np.concatenate([self.correlation, correlation])
        counts = np.bincount(self.row, minlength=len(self.crowded))
        too_many = counts > MAX_CANDIDATES
        if not too_many.any():
            return
        self.crowded |= too_many
        order = np.lexsort((self.image, -self.correlation, self.row))
        rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[self.row[order]]
        last = order[(rank == MAX_CANDIDATES - 1) & too_many[self.row[order]]]
        self.threshold[self.row[last], 0] = self.correlation[last] - ROUNDING
        order = order[rank < MAX_CANDIDATES]
        self.row, self.image, self.correlation = self.row[order], self.image[order], self.correlation[order]
