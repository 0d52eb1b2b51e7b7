"""What it takes: the chance of a verdict with more seeds or images, and the smallest numbers for 80 %."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2
from scipy.stats import norm as normal
from scipy.stats import t as student

from bakeoff.analysis.statistics.crossed import (
    CrossedInterval,
    VarianceParts,
    crossed_interval,
    summarize_scores,
)
from bakeoff.analysis.statistics.what_it_takes import (
    ENOUGH,
    ENOUGH_SEEDS,
    PRIOR_MARGINS,
    SEEDS,
    SPREADS,
    WhatItTakes,
    chances_of_verdict,
    image_half_width,
    what_it_takes,
)

MARGIN = 0.01


def parts_of(image: float, seed: float, residual: float, seeds: int = 5, images: int = 400) -> VarianceParts:
    """With these components: variances over images, over seeds, and of what neither accounts for."""
    rest = residual / (seeds * images)
    each = seed / seeds + rest
    return VarianceParts(image / images + 2 * rest, (each, each), (rest, rest), (seeds, seeds), images)


def difference_of(value: float, parts: VarianceParts) -> CrossedInterval:
    half = parts.half_width(0.95)
    return CrossedInterval(value, value - half, value + half, 0.5, parts)


def test_the_images_alone_leave_students_interval_of_their_component() -> None:
    assert image_half_width(parts_of(0.04, 0.001, 0.1), 0.9) == pytest.approx(
        student.ppf(0.95, 399) * np.sqrt(0.04 / 400)
    )


def test_the_smallest_number_of_seeds_that_is_enough_is_given() -> None:
    difference = difference_of(0.007, parts_of(0.01, 1e-4, 0.1, images=5000))
    found = what_it_takes(difference, margin=MARGIN, confidence=0.95)
    assert found.seeds_needed is not None
    smaller = [count for count in SEEDS if 5 < count < found.seeds_needed]
    for count in (*smaller, found.seeds_needed):
        chances = chances_of_verdict(difference, [count], 5000, margin=MARGIN, confidence=0.95)[0]
        assert (chances.any >= ENOUGH) == (count == found.seeds_needed)


@pytest.mark.parametrize(("value", "components"), [(0.015, (0.01, 1e-5, 0.01)), (0.005, (0.1, 1e-7, 1e-4))])
def test_fewer_seeds_than_a_note_asks_for_are_not_said_to_be_enough(
    value: float, components: tuple[float, float, float]
) -> None:
    few = difference_of(value, parts_of(*components, seeds=3, images=700))
    found = what_it_takes(few, margin=MARGIN, confidence=0.95)
    assert (found.seeds_needed or found.images_needed_seeds) == ENOUGH_SEEDS


def test_where_seeds_cannot_settle_it_more_images_do() -> None:
    found = what_it_takes(difference_of(0.005, parts_of(0.3, 1e-6, 0.1)), margin=MARGIN, confidence=0.95)
    assert found.seeds_needed is None
    assert found.images_needed is not None
    assert found.images_needed > 400
    assert found.images_needed_seeds is not None
    assert found.images_needed_seeds >= 5


def test_what_nothing_can_settle_has_chances_and_no_numbers() -> None:
    found = what_it_takes(difference_of(0.0, parts_of(0.1, 100.0, 0.1)), margin=0.001, confidence=0.95)
    assert (found.seeds_needed, found.images_needed, found.images_needed_seeds) == (None, None, None)
    assert found.chances is not None
    assert found.chances.any < ENOUGH


def test_one_seed_says_nothing_about_seeds() -> None:
    scores = summarize_scores(np.array([[True, False, True, True]]))
    assert what_it_takes(crossed_interval(scores), margin=0.1, confidence=0.95) == WhatItTakes()


@pytest.mark.parametrize("value", [0.004, -0.004])
def test_a_difference_the_other_way_round_has_mirrored_chances(value: float) -> None:
    parts = parts_of(0.05, 1e-4, 0.1, images=3000)
    there, back = (
        chances_of_verdict(difference_of(sign * value, parts), [10], 3000, margin=MARGIN, confidence=0.95)[0]
        for sign in (1, -1)
    )
    assert (there.better, there.worse) == pytest.approx((back.worse, back.better))
    assert there.equivalent == pytest.approx(back.equivalent)


def test_more_pairs_make_a_winner_less_probable() -> None:
    difference = difference_of(0.008, parts_of(0.05, 1e-4, 0.1, images=3000))
    one, many = (
        chances_of_verdict(difference, [10], 3000, margin=MARGIN, confidence=0.95, num_pairs=number)[0]
        for number in (1, 45)
    )
    assert many.better < one.better


def one_chance_after_another(
    now: CrossedInterval, num_seeds: int, num_images: int, *, num_pairs: int
) -> NDArray[np.float64]:
    """The formula of `chances_of_verdict` with `VarianceParts` itself, one spread after another."""
    parts = now.parts
    degrees = parts.seed_degrees_of_freedom
    known = min((min(parts.num_seeds) - 1) / (num_seeds - 1), 1)
    chances = []
    for tail in (np.arange(SPREADS) + 0.5) / SPREADS:
        ratio = degrees / chi2.isf(tail, degrees)
        real, measured = (
            replace(parts, seed=tuple(times * seed for seed in parts.seed))
            for times in (ratio, known + (1 - known) * ratio)
        )
        fixed = parts.image_component / num_images if num_images == parts.num_images else 0.0
        before, error = (PRIOR_MARGINS * MARGIN) ** 2 + fixed, real.variance - fixed
        later = min(max(real.at(num_seeds, num_images).variance - fixed, 0.0), error)
        kept, mean = later / error, now.value * before / (before + error)
        spread = np.sqrt((1 - kept) ** 2 * before * error / (before + error) + later * (1 - kept))
        estimate = normal(mean + kept * (now.value - mean), spread)
        larger = measured.at(num_seeds, num_images)
        half, clear = larger.half_width(0.95), larger.half_width(1 - 0.05 / num_pairs)
        alike = max(min(MARGIN - half, clear), 0)
        chances.append((estimate.sf(clear), estimate.cdf(-clear), estimate.cdf(alike) - estimate.cdf(-alike)))
    return np.mean(chances, axis=0)


@pytest.mark.parametrize("overlap", [(), (1.5, 0.0)])
@pytest.mark.parametrize("num_images", [3000, 9000])
def test_chances_of_many_numbers_at_once_are_those_of_each_alone(
    num_images: int, overlap: tuple[float, ...]
) -> None:
    parts = VarianceParts(2e-5, (3e-5, 1e-5), (4e-6, 9e-6), (3, 8), 3000, overlap)
    now = difference_of(0.006, parts)
    counts = [8, 10, 20, 100]
    found = chances_of_verdict(now, counts, num_images, margin=MARGIN, confidence=0.95, num_pairs=4)
    for count, chances in zip(counts, found, strict=True):
        expected = one_chance_after_another(now, count, num_images, num_pairs=4)
        assert (chances.better, chances.worse, chances.equivalent) == pytest.approx(expected, rel=1e-9)


def studies(rng: np.random.Generator) -> tuple[CrossedInterval, CrossedInterval, int, int]:
    """The difference of two recipes with few seeds, and with more of the same: images, seeds, both vary."""
    num_images = int(rng.choice([2000, 5000]))
    few = int(rng.choice([3, 5, 10]))
    many = int(rng.choice([1.5, 2, 4]) * few)
    difference = rng.normal(0, 2 * MARGIN)
    of_seeds, of_recipe = rng.choice([0.04, 0.1]), rng.choice([0.2, 0.5])
    hardness = rng.normal(0, 1.5, num_images)
    slope = np.sqrt(0.5**2 + 1.5**2 + of_recipe**2 + 0.8**2) / 0.38  # of the probit, per unit of accuracy
    runs = [
        0.3
        + difference * slope * recipe
        + hardness
        + rng.normal(0, of_recipe, num_images)
        + rng.normal(0, of_seeds, (many, 1))
        + rng.normal(0, np.hypot(0.8, 0.5), (many, num_images))
        > 0
        for recipe in (0, 1)
    ]
    now, then = (
        crossed_interval(summarize_scores(runs[1][:count]), summarize_scores(runs[0][:count]))
        for count in (few, many)
    )
    return now, then, many, num_images


def decided(difference: CrossedInterval) -> bool:
    inside = difference.low > -MARGIN and difference.high < MARGIN
    return inside or difference.low > 0 or difference.high < 0


@pytest.mark.slow
def test_predicted_chances_are_those_seen() -> None:
    predicted, seen = [], []
    for number in range(1500):
        now, then, seeds, images = studies(np.random.default_rng(number))
        if not decided(now):
            chances = chances_of_verdict(now, [seeds], images, margin=MARGIN, confidence=0.95)[0]
            predicted.append(chances.any)
            seen.append(decided(then))
    bins = np.digitize(predicted, [0.1, 0.3, 0.5, 0.7, 0.9])
    for place in range(6):
        inside = bins == place
        mean, share = np.mean(np.array(predicted)[inside]), np.mean(np.array(seen)[inside])
        print(f"{mean:.2f} -> {share:.2f} ({inside.sum()})")
        if inside.sum() >= 50:
            assert abs(mean - share) < 0.12
