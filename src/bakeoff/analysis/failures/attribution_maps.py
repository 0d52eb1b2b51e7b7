"""Which parts of an image support the wrong prediction: attribution maps, averaged over seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.predictions import RunMaps

MAX_ERROR = 0.1
"""Maps with a larger relative error (see `RunMaps`) are not used."""

MIN_REFERENCE = 20
"""Among fewer maps, no 5 % tail is defined."""


@dataclass(frozen=True)
class AttributionMaps:
    """One map for each failed case of a recipe: the mean over the runs that make the usual wrong prediction.

    Attributes
    ----------
    images
        int [num_maps], the test images that have a map, ascending.
    maps
        float32 [num_maps, num_cells, num_cells], as in `RunMaps`.
    num_runs
        int [num_maps], the runs averaged.
    half_area
        float [num_maps]: the smallest share of the image's cells that contains half of the support for the
        wrong prediction (the sum of the positive cells), 0..1; NaN if no cell is positive.
    border_share
        float [num_maps]: the share of the support that lies in the outer eighth, 0..1; NaN likewise.
    border_area
        The area of the outer eighth as a share of the image, 0..1.
    median_error
        Of the maps used, see `RunMaps`.
    num_left_out
        The number of maps not used because their error exceeds `MAX_ERROR`.
    num_predictions, num_missing
        Usual wrong predictions, counted for each run, and those of them without a map: a run computes as many
        as its training affords, and leaves out maps that are not finite.
    """

    images: NDArray[np.int64]
    maps: NDArray[np.float32]
    num_runs: NDArray[np.int64]
    half_area: NDArray[np.float64]
    border_share: NDArray[np.float64]
    border_area: float
    median_error: float
    num_left_out: int
    num_predictions: int
    num_missing: int

    @property
    def median_half_area(self) -> float:
        """Median over all maps; NaN if no map has one."""
        return _median(self.half_area)

    @property
    def median_border_share(self) -> float:
        """Median over all maps; NaN if no map has one."""
        return _median(self.border_share)

    def place(self, image: int) -> int | None:
        """Find the row of an image in these arrays; None if it has no map."""
        place = int(np.searchsorted(self.images, image))
        return place if place < len(self.images) and self.images[place] == image else None


@dataclass(frozen=True)
class MapRank:
    """The rank of one map among those of the same recipe that are means over as many runs.

    Attributes
    ----------
    value, median
        Of this map, and of all of these maps.
    share_beyond
        The share of these maps that are strictly less extreme than this one, 0..1.
    num_reference
        The number of these maps, including this one.
    """

    value: float
    median: float
    share_beyond: float
    num_reference: int


def mean_maps(
    runs: Iterable[RunMaps], predicted: NDArray[np.int64], usual_wrong: NDArray[np.int64]
) -> AttributionMaps | None:
    """Average the maps of each image over the runs that make its usual wrong prediction.

    Parameters
    ----------
    runs
        One entry per seed, with equally many cells.
    predicted
        int [num_seeds, num_test], in the same order of seeds.
    usual_wrong
        int [num_test], negative if no run is wrong.

    Returns
    -------
    AttributionMaps or None
        None if no map can be used.
    """
    sums = np.zeros((0, 0, 0))
    num_runs = np.zeros(len(usual_wrong), dtype=np.int64)
    errors, num_left_out, num_mapped = [], 0, 0
    num_predictions = int((predicted == usual_wrong).sum())
    for run, predictions in zip(runs, predicted, strict=True):
        if not len(sums):
            sums = np.zeros((len(usual_wrong), *run.maps.shape[1:]))
        usual = predictions[run.image_indices] == usual_wrong[run.image_indices]
        used = usual & (run.error <= MAX_ERROR)
        num_left_out += int((usual & ~used).sum())
        num_mapped += int(usual.sum())
        sums[run.image_indices[used]] += run.maps[used]
        num_runs[run.image_indices[used]] += 1
        errors.append(run.error[used])
    images = np.flatnonzero(num_runs)
    if not len(images):
        return None
    maps = sums[images] / num_runs[images, None, None]
    ring = _outer_eighth(maps.shape[1])
    support = np.maximum(maps, 0)
    total = support.sum(axis=(1, 2))
    border = support[:, ring].sum(axis=1)
    border_share = np.divide(border, total, out=np.full(len(images), np.nan), where=total > 0)
    return AttributionMaps(
        images=images,
        maps=maps.astype(np.float32),
        num_runs=num_runs[images],
        half_area=_half_area(support.reshape(len(images), -1)),
        border_share=border_share,
        border_area=float(ring.mean()),
        median_error=float(np.median(np.concatenate(errors))),
        num_left_out=num_left_out,
        num_predictions=num_predictions,
        num_missing=num_predictions - num_mapped,
    )


def concentration(maps: AttributionMaps, place: int, tail: float = 0.05) -> MapRank | None:
    """Rank the area that contains half of the support; None unless it is unusually small.

    Parameters
    ----------
    maps
        Of a recipe.
    place
        A row, from `maps.place`.
    tail
        The share of maps that count as unusual, 0..1.
    """
    return _rank(-maps.half_area, maps.num_runs, place, tail, sign=-1.0)


def border_support(maps: AttributionMaps, place: int, tail: float = 0.05) -> MapRank | None:
    """Rank the share of the support in the outer eighth; None unless it is unusually large.

    None also if the share is not larger than that of the area itself.
    """
    if not maps.border_share[place] > maps.border_area:
        return None
    return _rank(maps.border_share, maps.num_runs, place, tail, sign=1.0)


def _rank(
    values: NDArray[np.float64], num_runs: NDArray[np.int64], place: int, tail: float, sign: float
) -> MapRank | None:
    # A mean over more runs is smoother, so a map is compared only with those of as many runs.
    alike = values[(num_runs == num_runs[place]) & np.isfinite(values)]
    if len(alike) < MIN_REFERENCE or not np.isfinite(values[place]):
        return None
    beyond = float((alike < values[place]).mean())
    if beyond < 1 - tail:
        return None
    return MapRank(sign * float(values[place]), sign * float(np.median(alike)), beyond, len(alike))


def _half_area(support: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest share of the cells [num_maps, num_cells] that makes up half of each row's sum."""
    descending = -np.sort(-support, axis=1)
    cumulative = descending.cumsum(axis=1)
    total = cumulative[:, -1:]
    needed = (cumulative < total / 2).sum(axis=1) + 1.0
    return np.where(total[:, 0] > 0, needed / support.shape[1], np.nan)


def _outer_eighth(num_cells: int) -> NDArray[np.bool_]:
    """bool [num_cells, num_cells]: the outer eighth on each side, one cell at least."""
    thick = max(1, round(num_cells / 8))
    ring = np.ones((num_cells, num_cells), dtype=np.bool_)
    ring[thick : num_cells - thick, thick : num_cells - thick] = False
    return ring


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
