"""What augmentation draws: inside its bounds, as often as it says, and of the distribution of its paper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.training.augmentation.draws import (
    ERASED_AREA,
    blending,
    crop_corners,
    cutmix_blending,
    erased_boxes,
    flips,
    jitter_directions,
    mixup_blending,
    zooms,
)

seeds = st.integers(0, 2**32 - 1)


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_corner_of_a_crop_is_as_likely() -> None:
    corners = crop_corners(20_000, 2, draws())
    counts = np.bincount(corners[0] * 5 + corners[1])
    assert len(counts) == 25
    assert stats.chisquare(counts).pvalue > 1e-3


def test_half_the_images_are_mirrored_and_jitter_is_uniform() -> None:
    assert stats.binomtest(int(flips(20_000, draws()).sum()), 20_000).pvalue > 1e-3
    directions = jitter_directions(20_000, draws())
    assert directions.shape == (3, 20_000)
    assert stats.kstest(directions.ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


@given(seeds, st.floats(0, 0.99))
def test_a_zoom_shows_what_it_says_without_shear_or_shift(seed: int, zoom: float) -> None:
    maps = zooms(50, zoom, draws(seed))
    across, down = maps[:, 0, 0].astype(float), maps[:, 1, 1].astype(float)
    shown, ratio = np.sqrt(across * down), np.sqrt(across / down)
    assert (abs(shown - 1) <= zoom + 1e-5).all()
    assert (abs(ratio - 1) <= zoom / 2 + 1e-5).all()
    rest = maps.copy()
    rest[:, 0, 0] = rest[:, 1, 1] = 0
    assert not rest.any()


@given(seeds, st.integers(4, 64), st.integers(4, 64))
def test_erased_boxes_lie_inside_the_image(seed: int, height: int, width: int) -> None:
    top, left, bottom, right = erased_boxes(40, 1.0, height, width, draws(seed))
    assert (top >= 0).all()
    assert (top < bottom).all()
    assert (bottom <= height).all()
    assert (left >= 0).all()
    assert (left < right).all()
    assert (right <= width).all()


def test_as_many_images_are_erased_as_the_probability_says() -> None:
    top, left, bottom, right = erased_boxes(20_000, 0.3, 100, 100, draws())
    erased = bottom > top
    assert stats.binomtest(int(erased.sum()), 20_000, 0.3).pvalue > 1e-3
    area = ((bottom - top) * (right - left))[erased] / 100**2
    assert (ERASED_AREA[0] - 0.01 < area).all()
    assert (area < ERASED_AREA[1] + 0.01).all()


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_shares_are_beta_folded_to_the_larger_part(alpha: float) -> None:
    draw = draws()
    shares = np.array([mixup_blending(4, alpha, draw).share for _ in range(3_000)])
    beta = stats.beta(alpha, alpha)

    def folded(x: np.ndarray) -> np.ndarray:
        return beta.cdf(x) - beta.cdf(1 - x)

    assert stats.kstest(shares, folded).pvalue > 1e-3


@given(seeds, st.integers(4, 40), st.integers(4, 40))
def test_cutmix_counts_the_pixels_that_it_leaves(seed: int, height: int, width: int) -> None:
    blend = cutmix_blending(9, height, width, draws(seed))
    replaced = np.zeros((height, width), bool)
    top, left, bottom, right = blend.box
    replaced[top:bottom, left:right] = True
    assert blend.share == pytest.approx(1 - replaced.mean())
    assert sorted(blend.partners_N) == list(range(9))


def test_cutmix_is_drawn_as_often_as_it_says_and_mixup_takes_the_rest() -> None:
    draw = draws()
    settings = AugmentationSettings(cutmix=0.3, mixup=0.2)
    boxes = [blending(settings, 4, 8, 8, draw).box is not None for _ in range(3_000)]
    assert stats.binomtest(sum(boxes), 3_000, 0.3).pvalue > 1e-3
    alone = AugmentationSettings(cutmix=0.3)
    found = [blending(alone, 4, 8, 8, draw) is not None for _ in range(3_000)]
    assert stats.binomtest(sum(found), 3_000, 0.3).pvalue > 1e-3
    assert blending(AugmentationSettings(), 4, 8, 8, draw) is None
