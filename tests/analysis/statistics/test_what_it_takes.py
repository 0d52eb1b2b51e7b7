"""What it takes: the smallest numbers that bring the half-width to the margin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from bakeoff.analysis.statistics.crossed import VarianceParts, summarize_scores, variance_parts
from bakeoff.analysis.statistics.what_it_takes import (
    MAX_IMAGES,
    MAX_SEEDS,
    WhatItTakes,
    image_half_width,
    what_it_takes,
)


def parts_of(image: float, seed: float, residual: float, seeds: int = 5, images: int = 400) -> VarianceParts:
    """With these components: variances over images, over seeds, and of what neither accounts for."""
    rest = residual / (seeds * images)
    return VarianceParts(image / images + rest, (seed / seeds + rest,), (rest,), (seeds,), images)


@given(
    st.floats(1e-6, 0.2), st.floats(1e-9, 1e-3), st.floats(1e-6, 0.2), st.sampled_from([0.001, 0.01, 0.05])
)
@settings(max_examples=60, deadline=None)
def test_one_fewer_would_not_do(image: float, seed: float, residual: float, margin: float) -> None:
    parts = parts_of(image, seed, residual)
    found = what_it_takes(parts, margin=margin, confidence=0.95)
    if found.seeds_needed is not None:
        assert parts.at(found.seeds_needed, 400).half_width(0.95) <= margin
        assert found.seeds_needed == 2 or parts.at(found.seeds_needed - 1, 400).half_width(0.95) > margin
        assert found.images_needed is None
        return
    assert parts.at(MAX_SEEDS, 400).half_width(0.95) > margin
    if found.images_needed is not None:
        seeds = found.images_needed_seeds
        assert seeds >= 5
        assert parts.at(seeds, found.images_needed).half_width(0.95) <= margin
        assert parts.at(seeds, found.images_needed - 1).half_width(0.95) > margin
        if seeds > 5:  # the present seeds are not enough with any number of images
            assert parts.at(5, MAX_IMAGES).half_width(0.95) > margin


def test_the_images_alone_leave_students_interval_of_their_component() -> None:
    assert image_half_width(parts_of(0.04, 0.001, 0.1), 0.9) == pytest.approx(
        student.ppf(0.95, 399) * np.sqrt(0.04 / 400)
    )


def test_seeds_that_are_far_apart_take_more_seeds_and_then_images() -> None:
    found = what_it_takes(parts_of(0.1, 0.001, 0.1), margin=0.005, confidence=0.95)
    assert found.seeds_needed is None
    assert found.images_needed_seeds > 5
    assert found.images_needed > 400


def test_seeds_that_no_thousand_can_average_out_have_no_answer() -> None:
    found = what_it_takes(parts_of(0.1, 100.0, 0.1), margin=0.001, confidence=0.95)
    assert (found.seeds_needed, found.images_needed, found.images_needed_seeds) == (None, None, None)
    assert found.image_half_width > 0.001


def test_one_seed_says_nothing_about_seeds() -> None:
    scores = summarize_scores(np.array([[True, False, True, True]]))
    assert what_it_takes(variance_parts(scores), margin=0.1, confidence=0.95) == WhatItTakes()
