"""The fine detail of images, and the pairs of images that share it.

The detail is a difference of Gaussians, divided by the local contrast, so that a hard edge such as the black
bar of a letterbox counts no more than fur or foliage. Two images share it if it correlates in their overlap
at the best shift, of up to MAX_SHIFT pixels.

Matrix products give the correlations of all pairs at all shifts, up to rounding. Where that may be the best
shift of a pair that shares its detail, the correlation is then computed pixel by pixel.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bakeoff.audit.blocks import map_blocks

SIDE = 32

MAX_SHIFT = 2

SHIFTS = tuple(product(range(-MAX_SHIFT, MAX_SHIFT + 1), repeat=2))  # down, across; the opposites in reverse

NARROW_BLUR, WIDE_BLUR = 0.7, 2.0  # standard deviations in pixels

CONTRAST_FLOOR = 4.0  # gray levels: fainter detail is noise

ROUNDING = 0.01
"""More than the results of the two ways to compute a correlation differ, twice."""

FAINT = 1.0
"""Norm of the detail below which rounding could count for more, so that pairs are computed pixel by pixel."""

PAIRS_PER_BLOCK = 2000

IMAGES_PER_BLOCK = 1024

# The detail is kept with zeros to the right of each line. With more zeros around it, what it looks like at a
# shift is then the same sequence of numbers, read from another place on.
LINE = SIDE + MAX_SHIFT
MARGIN = MAX_SHIFT * (LINE + 1)
STARTS = np.array([MARGIN + down * LINE + across for down, across in SHIFTS])

Images = NDArray[np.float32]

Gray = NDArray[np.uint8] | Images


class Details:
    """The fine detail of some images.

    Parameters
    ----------
    gray
        uint8 or float32 [num_images, 32, 32] in 0..255.
    used
        int [num_used], ascending: the images whose detail is needed.
    """

    def __init__(self, gray: Gray, used: NDArray[np.int64]) -> None:
        overlaps = np.array([_inside(*shift) for shift in SHIFTS], np.float32).reshape(len(SHIFTS), -1).T
        self._used = used
        self._lines = np.zeros((len(used), SIDE, LINE), np.float32)
        self._detail = self._lines[:, :, :SIDE]
        # Over the part of an image that another one overlaps at each shift.
        self._num_pixels = overlaps.sum(axis=0)
        self._sums = np.empty((len(used), len(SHIFTS)), np.float32)
        self._norms = np.empty_like(self._sums)

        def fill(block: slice) -> None:
            detail = find_detail(gray[used[block]])
            self._detail[block] = detail
            pixels = detail.reshape(len(detail), -1)
            self._sums[block] = pixels @ overlaps
            squares = pixels**2 @ overlaps - self._sums[block] ** 2 / self._num_pixels
            self._norms[block] = np.sqrt(np.maximum(squares, 0))

        map_blocks(fill, len(used), IMAGES_PER_BLOCK)

    def correlate(
        self, pairs: NDArray[np.int64], min_correlation: float, *, flipped: bool = False
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Find the pairs whose detail correlates by at least `min_correlation`.

        Parameters
        ----------
        pairs
            int [num_pairs, 2], images among those used, sorted by the first of each pair.
        min_correlation
            Pairs below are left out.
        flipped
            Flip the first image of each pair horizontally.

        Returns
        -------
        Indices into `pairs`, ascending, and for each the correlation at the best shift.
        """
        rows = np.searchsorted(self._used, pairs)
        best = np.full(len(pairs), -1.0)

        def fill(block: slice) -> None:
            part, best_of_part = rows[block], best[block]
            possible = self._possible(part, min_correlation, flipped)
            for index in np.flatnonzero(possible.any(axis=0)):
                chosen = np.flatnonzero(possible[:, index])
                first, second = self._detail[part[chosen, 0]], self._detail[part[chosen, 1]]
                exact = correlation(first[:, :, ::-1] if flipped else first, second, *SHIFTS[index])
                best_of_part[chosen] = np.maximum(best_of_part[chosen], exact)

        map_blocks(fill, len(pairs), PAIRS_PER_BLOCK)
        found = np.flatnonzero(best >= min_correlation)
        return found, best[found]

    def _possible(self, rows: NDArray[np.intp], min_correlation: float, flipped: bool) -> NDArray[np.bool_]:
        """bool [num_pairs, num_shifts]: what may be the best shift of a pair with this correlation."""
        first, second = rows.T
        products = np.empty((len(rows), len(SHIFTS)), np.float32)
        # The pairs with the same first image are consecutive.
        groups = np.flatnonzero(np.diff(first, prepend=-1))
        lines = self._lines.reshape(len(self._lines), -1)
        padded = np.zeros(lines.shape[1] + 2 * MARGIN, np.float32)
        inner = padded[MARGIN:-MARGIN].reshape(SIDE, LINE)[:, :SIDE]
        windows = sliding_window_view(padded, lines.shape[1])
        for start, stop in zip(groups, np.append(groups[1:], len(rows)), strict=True):
            detail = self._detail[first[start]]
            inner[:] = detail[:, ::-1] if flipped else detail
            products[start:stop] = lines[second[start:stop]] @ windows[STARTS].T
        opposite = np.arange(len(SHIFTS))[::-1]
        same = np.arange(len(SHIFTS)).reshape(2 * MAX_SHIFT + 1, -1)
        own = (same[:, ::-1] if flipped else same).ravel()
        sums, norms = self._sums[first][:, own], self._norms[first][:, own]
        other_sums, other_norms = self._sums[second][:, opposite], self._norms[second][:, opposite]
        covariance = products - sums * other_sums / self._num_pixels
        estimate = covariance / np.maximum(norms * other_norms, np.float32(1e-12))
        least = np.maximum(estimate.max(axis=1, keepdims=True), min_correlation) - ROUNDING
        possible: NDArray[np.bool_] = (estimate >= least) | (np.minimum(norms, other_norms) < FAINT)
        return possible


def find_detail(gray: Gray) -> Images:
    """float32 [num_images, 32, 32]: the fine detail, of about equal contrast everywhere."""
    from scipy.ndimage import gaussian_filter

    gray = gray.astype(np.float32, copy=False)
    narrow, wide = (0, NARROW_BLUR, NARROW_BLUR), (0, WIDE_BLUR, WIDE_BLUR)
    structure = gaussian_filter(gray, narrow, mode="nearest") - gaussian_filter(gray, wide, mode="nearest")
    contrast = np.sqrt(gaussian_filter(structure**2, wide, mode="nearest"))
    return (structure / (contrast + CONTRAST_FLOOR)).astype(np.float32)


def correlation(first: Images, second: Images, down: int, across: int) -> NDArray[np.float32]:
    """float32 [num_pairs]: the correlation in the overlap of the two at this shift."""
    a = first[:, _overlap(down), _overlap(across)].reshape(len(first), -1)
    b = second[:, _overlap(-down), _overlap(-across)].reshape(len(second), -1)
    result: NDArray[np.float32] = np.einsum("ij,ij->i", normalized(a), normalized(b))
    return result


def normalized(rows: Images) -> Images:
    """Subtract the mean from each row and scale it to norm 1; a row of equal values becomes 0."""
    centered = rows - rows.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.einsum("ij,ij->i", centered, centered))[:, None]
    result: Images = centered / np.maximum(norm, np.float32(1e-6))
    return result


def _inside(down: int, across: int) -> NDArray[np.bool_]:
    inside = np.zeros((SIDE, SIDE), np.bool_)
    inside[_overlap(down), _overlap(across)] = True
    return inside


def _overlap(shift: int) -> slice:
    return slice(max(0, shift), SIDE + min(0, shift))
