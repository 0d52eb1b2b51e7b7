"""All pairs of similar thumbnails are found, as by comparing all of them in full."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bakeoff.audit.candidates import BLOCK, MAX_CANDIDATES, MIN_CORRELATION, find_candidates
from bakeoff.audit.detail import normalized
from bakeoff.audit.duplicates import SHIFTS, _thumbnails, to_gray
from bakeoff.data import load_data
from bakeoff.study.settings.data import DataSettings


def in_full(still: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by one product of all thumbnails."""
    correlation = moved @ still.T
    np.fill_diagonal(correlation, -1)
    similar = correlation >= MIN_CORRELATION
    crowded = similar.sum(axis=1) > MAX_CANDIDATES
    for row in np.flatnonzero(crowded):
        similar[row] = False
        similar[row, np.argsort(-correlation[row])[:MAX_CANDIDATES]] = True
    return np.unique(np.sort(np.argwhere(similar), axis=1), axis=0), crowded


@pytest.fixture(scope="module")
def gray(photographs: Path) -> np.ndarray:
    data = load_data(DataSettings(source=f"splits:{photographs}", image_size=32))
    gray = np.concatenate([to_gray(data.split(name).images) for name in ("train", "val", "test")])
    assert len(gray) > 2 * BLOCK
    return gray


@pytest.mark.parametrize("shift", SHIFTS)
def test_photographs_have_the_candidates_of_a_comparison_in_full(
    gray: np.ndarray, shift: tuple[int, int]
) -> None:
    still, moved = _thumbnails(gray, (0, 0)), _thumbnails(gray, shift)
    pairs, crowded = find_candidates(still, [moved])
    expected, expected_crowded = in_full(still, moved)
    assert len(pairs) > 100
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_array_equal(crowded, expected_crowded)


def test_of_many_similar_ones_the_most_similar_are_kept() -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(4, 49))
    points = np.repeat(centers, [700, 500, 30, 1], axis=0) + rng.normal(scale=0.15, size=(1231, 49))
    still = normalized(points[rng.permutation(len(points))].astype(np.float32))
    pairs, crowded = find_candidates(still, [still])
    expected, expected_crowded = in_full(still, still)
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_array_equal(crowded, expected_crowded)
    assert crowded.sum() == 1230


def test_several_passes_are_put_together(gray: np.ndarray) -> None:
    still = _thumbnails(gray, (0, 0))
    passes = [_thumbnails(gray, shift) for shift in SHIFTS]
    pairs, crowded = find_candidates(still, passes)
    each = [find_candidates(still, [one]) for one in passes]
    np.testing.assert_array_equal(pairs, np.unique(np.concatenate([one[0] for one in each]), axis=0))
    np.testing.assert_array_equal(crowded, np.any([one[1] for one in each], axis=0))


@pytest.mark.parametrize("num_images", [0, 1, 2])
def test_few_images_and_images_without_structure_have_no_candidates(num_images: int) -> None:
    still = np.zeros((num_images, 49), np.float32)
    pairs, crowded = find_candidates(still, [still])
    assert pairs.shape == (0, 2)
    assert not crowded.any()
