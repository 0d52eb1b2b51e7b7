"""The fast correlation of details misses nothing that the one pixel by pixel finds, and agrees with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bakeoff.audit.detail import SHIFTS, Details, correlation, find_detail
from bakeoff.audit.duplicates import to_gray
from bakeoff.data import load_data
from bakeoff.study.settings.data import DataSettings


@pytest.fixture(scope="module")
def gray(photographs: Path) -> np.ndarray:
    """200 photographs, and copies of them: shifted, fainter, noisy, cut, without contrast."""
    data = load_data(DataSettings(source=f"splits:{photographs}", image_size=32))
    images = to_gray(data.train.images[::3][:200]).astype(np.float32)
    assert len(images) == 200
    rng = np.random.default_rng(0)
    copies = [np.roll(images, shift, axis=(1, 2)) for shift in ((2, 1), (0, -2), (3, 0))]
    copies += [images + rng.normal(0, sigma, images.shape) for sigma in (3, 10, 25)]
    copies += [128 + (images - 128) * scale for scale in (0.3, 0.02, 0.0002, 0)]
    copies += [np.where(np.arange(32)[:, None] < 24, 0, images), images[:, :, ::-1]]
    return np.concatenate([images, *(np.clip(np.round(one), 0, 255) for one in copies)]).astype(np.float32)


def pairs_of(gray: np.ndarray) -> np.ndarray:
    """Each photograph with its copies and with others, sorted."""
    rng = np.random.default_rng(1)
    copies = [(image, image + 200 * number) for image in range(200) for number in range(1, len(gray) // 200)]
    others = np.sort(rng.integers(0, len(gray), (2000, 2)), axis=1)
    return np.unique(np.concatenate([copies, others[others[:, 0] < others[:, 1]]]), axis=0)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("least", [0.85, 0.5])
def test_pairs_are_found_as_pixel_by_pixel(gray: np.ndarray, least: float, flipped: bool) -> None:
    pairs = pairs_of(gray)
    detail = find_detail(gray)
    first = find_detail(np.ascontiguousarray(gray[:, :, ::-1])) if flipped else detail
    exact = np.max(
        [correlation(first[pairs[:, 0]], detail[pairs[:, 1]], *shift) for shift in SHIFTS], axis=0
    ).astype(np.float64)
    found, best = Details(gray, np.unique(pairs)).correlate(pairs, least, flipped=flipped)
    assert len(found) > (10 if flipped else 1000)
    np.testing.assert_array_equal(found, np.flatnonzero(exact >= least))
    np.testing.assert_array_equal(best, exact[found])


def test_few_shifts_are_computed_pixel_by_pixel(gray: np.ndarray) -> None:
    pairs = pairs_of(gray[:1400])  # without the fainter ones
    details = Details(gray, np.unique(pairs))
    possible = details._possible(np.searchsorted(np.unique(pairs), pairs), 0.85, False)
    assert possible.sum() < 2 * possible.any(axis=1).sum()


def test_no_pairs_are_none(gray: np.ndarray) -> None:
    found, best = Details(gray, np.empty(0, np.int64)).correlate(np.empty((0, 2), np.int64), 0.85)
    assert len(found) == len(best) == 0
