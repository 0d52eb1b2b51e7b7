"""Where in an image lies what speaks for its usual wrong answer: attribution maps, averaged over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakeoff.predictions import RunMaps

MAX_ERROR = 0.1
"""A map whose cells miss their total by a larger share of their size says too little to be used."""

MIN_REFERENCE = 20
"""Fewer maps have no 5 % to lie outside of."""


@dataclass(frozen=True)
class AttributionMaps:
    """One map for each failed case of a recipe: the mean over the runs that give the usual wrong answer.

    Attributes
    ----------
    images
        int [num_maps], the test images that have a map, ascending.
    maps
        float32 [num_maps, num_cells, num_cells], as in `RunMaps`.
    num_runs
        int [num_maps], the runs averaged.
    half_area
        float [num_maps]: the smallest share of the image's cells that holds half of what speaks for the
        wrong answer (the cells above 0), 0..1; NaN where nothing does.
    border_share
        float [num_maps]: share of what speaks for the wrong answer that lies in the outer eighth, 0..1; NaN
        likewise.
    border_area
        Share of the image that the outer eighth takes, 0..1.
    median_error
        Of the maps used, see `RunMaps`.
    num_left_out
        Maps not used because their error exceeds `MAX_ERROR`.
    """

    images: NDArray[np.int64]
    maps: NDArray[np.float32]
    num_runs: NDArray[np.int64]
    half_area: NDArray[np.float64]
    border_share: NDArray[np.float64]
    border_area: float
    median_error: float
    num_left_out: int

    @property
    def median_half_area(self) -> float:
        """Over all maps; NaN where no map has one."""
        return _median(self.half_area)

    @property
    def median_border_share(self) -> float:
        """Over all maps; NaN where no map has one."""
        return _median(self.border_share)

    def place(self, image: int) -> int | None:
        """Find the row of an image in these arrays; None where it has no map."""
        place = int(np.searchsorted(self.images, image))
        return place if place < len(self.images) and self.images[place] == image else None


@dataclass(frozen=True)
class Standing:
    """How one map compares with those of the same recipe that are means over as many runs.

    Attributes
    ----------
    value, median
        Of this map, and of all of them.
    share_beyond
        Share of them that lie strictly on the usual side of this one, 0..1.
    num_reference
        How many they are, this one among them.
    """

    value: float
    median: float
    share_beyond: float
    num_reference: int


def mean_maps(
    runs: Sequence[RunMaps], predicted: NDArray[np.int64], usual_wrong: NDArray[np.int64]
) -> AttributionMaps | None:
    """Average the maps of each image over the runs that give its usual wrong answer.

    Parameters
    ----------
    runs
        One entry a seed.
    predicted
        int [num_seeds, num_test], the answers, in the same order of seeds.
    usual_wrong
        int [num_test], negative where no run is wrong.

    Returns
    -------
    AttributionMaps or None
        None where no map can be used.
    """
    num_cells = runs[0].maps.shape[1]
    sums = np.zeros((len(usual_wrong), num_cells, num_cells))
    num_runs = np.zeros(len(usual_wrong), dtype=np.int64)
    errors, num_left_out = [], 0
    for run, answers in zip(runs, predicted, strict=True):
        usual = answers[run.image_indices] == usual_wrong[run.image_indices]
        used = usual & (run.error <= MAX_ERROR)
        num_left_out += int((usual & ~used).sum())
        sums[run.image_indices[used]] += run.maps[used]
        num_runs[run.image_indices[used]] += 1
        errors.append(run.error[used])
    images = np.flatnonzero(num_runs)
    if not len(images):
        return None
    maps = sums[images] / num_runs[images, None, None]
    ring = _outer_eighth(num_cells)
    speaking_for = np.maximum(maps, 0)
    total = speaking_for.sum(axis=(1, 2))
    at_border = speaking_for[:, ring].sum(axis=1)
    border_share = np.divide(at_border, total, out=np.full(len(images), np.nan), where=total > 0)
    return AttributionMaps(
        images=images,
        maps=maps.astype(np.float32),
        num_runs=num_runs[images],
        half_area=_half_area(speaking_for.reshape(len(images), -1)),
        border_share=border_share,
        border_area=float(ring.mean()),
        median_error=float(np.median(np.concatenate(errors))),
        num_left_out=num_left_out,
    )


def gathered(maps: AttributionMaps, place: int, tail: float = 0.05) -> Standing | None:
    """Say how small the area of half of it is, if smaller than in nearly all maps; else None.

    Parameters
    ----------
    maps
        Of a recipe.
    place
        A row, from `maps.place`.
    tail
        The share of maps that counts as unusual, 0..1.
    """
    return _standing(-maps.half_area, maps.num_runs, place, tail, sign=-1.0)


def at_border(maps: AttributionMaps, place: int, tail: float = 0.05) -> Standing | None:
    """Say how much of it lies in the outer eighth, if more than in nearly all maps; else None.

    Nothing is said of less than the area's own share, whatever is usual.
    """
    if not maps.border_share[place] > maps.border_area:
        return None
    return _standing(maps.border_share, maps.num_runs, place, tail, sign=1.0)


def _standing(
    values: NDArray[np.float64], num_runs: NDArray[np.int64], place: int, tail: float, sign: float
) -> Standing | None:
    # A mean over more runs is smoother, so a map is held against those of as many runs only.
    alike = values[(num_runs == num_runs[place]) & np.isfinite(values)]
    if len(alike) < MIN_REFERENCE or not np.isfinite(values[place]):
        return None
    beyond = float((alike < values[place]).mean())
    if beyond < 1 - tail:
        return None
    return Standing(sign * float(values[place]), sign * float(np.median(alike)), beyond, len(alike))


def _half_area(speaking_for: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the cells [num_maps, num_cells] needed for half of each row's sum, the largest first."""
    descending = -np.sort(-speaking_for, axis=1)
    held = descending.cumsum(axis=1)
    total = held[:, -1:]
    needed = (held < total / 2).sum(axis=1) + 1.0
    return np.where(total[:, 0] > 0, needed / speaking_for.shape[1], np.nan)


def _outer_eighth(num_cells: int) -> NDArray[np.bool_]:
    """bool [num_cells, num_cells]: the outer eighth on each side, one cell at least."""
    thick = max(1, round(num_cells / 8))
    ring = np.ones((num_cells, num_cells), dtype=np.bool_)
    ring[thick : num_cells - thick, thick : num_cells - thick] = False
    return ring


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
