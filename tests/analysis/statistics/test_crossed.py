"""The crossed variance against an oracle of another form, and its edge cases."""

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit
from tests.analysis.comparison.samples import (
    DIFFICULTY,
    INTERACTION,
    SEED_STD,
    draw_correct,
    expected_accuracy,
)
from tests.analysis.statistics.training_sets import CELLS, false_verdicts

from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores, variance_parts
from bakeoff.analysis.statistics.wilson import wilson_interval

Z_SQUARED = 3.841458820694124


def unbiased_variance(b: np.ndarray, a: np.ndarray | None) -> float:
    """Gallas' form: the estimate squared, less the mean product over distinct seeds and distinct images."""

    def mean_product(left: np.ndarray, right: np.ndarray, same: bool) -> float:
        products = [
            left[s, i] * right[t, j]
            for s, t in product(range(len(left)), range(len(right)))
            if not (same and s == t)
            for i, j in product(range(left.shape[1]), repeat=2)
            if i != j
        ]
        return float(np.mean(products))

    if a is None:
        return float(b.mean() ** 2 - mean_product(b, b, True))
    square = mean_product(b, b, True) + mean_product(a, a, True) - 2 * mean_product(b, a, False)
    return float((b.mean() - a.mean()) ** 2 - square)


@pytest.mark.parametrize("seeds", [(2, 3), (4, 2), (3, 3)])
@pytest.mark.parametrize("kind", ["right or wrong", "any score"])
def test_variance_is_the_unbiased_one_of_fully_crossed_designs(seeds: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(sum(seeds))
    compared = 0
    for _ in range(20):
        a, b = (
            rng.normal(size=7) + 2 * rng.normal(size=(count, 1)) + rng.normal(size=(count, 7))
            for count in seeds
        )
        if kind == "right or wrong":
            a, b = (a > 0).astype(float), (b > 0).astype(float)
        for left, right in ((b, a), (b, None)):
            parts = variance_parts(summarize_scores(left), None if right is None else summarize_scores(right))
            if parts.variance > parts.image:  # else V is held at V_img
                assert parts.variance == pytest.approx(unbiased_variance(left, right), rel=1e-9)
                compared += 1
    assert compared > 15


def test_the_image_part_is_the_floor() -> None:
    scores = np.array([[1, 0, 1, 0], [0, 1, 1, 0]], dtype=bool)  # no seed effect, much residual
    parts = variance_parts(summarize_scores(scores))
    assert sum(parts.seed) < sum(parts.residual)
    assert parts.variance == parts.image > 0


def test_parts_at_the_present_numbers_are_the_present_parts() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(4, 1)) + rng.normal(size=30) + 0.3 * rng.normal(size=(4, 30))
    parts = variance_parts(summarize_scores(scores))
    again = parts.at(4, 30)
    assert again.variance == pytest.approx(parts.variance)
    assert again.degrees_of_freedom == pytest.approx(parts.degrees_of_freedom)
    assert parts.at(8, 60).variance < parts.variance


def test_one_seed_uses_the_image_part_alone() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((1, 200)) < 0.5, rng.random((1, 200)) < 0.6
    interval = crossed_interval(summarize_scores(b), summarize_scores(a))
    difference = b[0].astype(float) - a[0]
    assert not interval.parts.seeds_known
    assert interval.parts.variance == pytest.approx(difference.var(ddof=1) / 200)
    assert interval.parts.degrees_of_freedom == pytest.approx(199)


def test_one_seed_on_one_side_keeps_the_other_sides_seed_part() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((1, 100)) < 0.5, rng.random((4, 100)) < np.array([[0.3], [0.5], [0.7], [0.9]])
    parts = crossed_interval(summarize_scores(b), summarize_scores(a)).parts
    assert not parts.seeds_known
    assert parts.seed[0] > 0
    assert parts.seed[1] == 0
    assert parts.degrees_of_freedom >= 3


@pytest.mark.parametrize("num_seeds", [1, 3])
@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_gives_wilsons_interval(num_seeds: int, right: bool) -> None:
    scores = np.full((num_seeds, 50), right)
    interval = crossed_interval(summarize_scores(scores))
    assert interval.value == right
    assert (interval.low, interval.high) == pytest.approx(wilson_interval(50 * right, 50))
    assert interval.high - interval.low > 0.05


def test_recipes_that_never_differ_are_not_certain_to_be_equal() -> None:
    rng = np.random.default_rng(0)
    scores = np.repeat(rng.random((1, 100)) < 0.5, 4, axis=0)
    interval = crossed_interval(summarize_scores(scores), summarize_scores(scores))
    width = Z_SQUARED / (100 + Z_SQUARED)
    assert interval.value == 0
    assert (interval.low, interval.high) == pytest.approx((-width, width))
    assert interval.p == 1


def test_all_right_against_all_wrong_is_finite_and_certain() -> None:
    interval = crossed_interval(
        summarize_scores(np.ones((3, 40), bool)), summarize_scores(np.zeros((3, 40), bool))
    )
    assert interval.value == interval.high == 1
    assert 0.7 < interval.low < 1
    assert 0 < interval.p < 1e-9


def test_seeds_all_alike_leave_the_image_part() -> None:
    scores = np.repeat(np.random.default_rng(0).random((1, 400)) < 0.7, 5, axis=0)
    interval = crossed_interval(summarize_scores(scores))
    assert interval.parts.image_share == pytest.approx(1)
    assert interval.high - interval.low == pytest.approx(2 * 1.966 * np.sqrt(0.7 * 0.3 / 400), rel=0.05)


def test_a_class_of_one_image_has_an_interval() -> None:
    interval = crossed_interval(summarize_scores(np.array([[True], [True], [False]])))
    assert 0 <= interval.low < 2 / 3 < interval.high <= 1


def test_no_image_or_no_seed_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 images"):
        summarize_scores(np.ones((3, 0), bool))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 12), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_intervals_are_finite_inside_bounds_and_change_sign_with_the_order(
    seeds_a: int, seeds_b: int, num_images: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (summarize_scores(rng.random((count, num_images)) < share) for count in (seeds_a, seeds_b))
    forth, back = crossed_interval(b, a), crossed_interval(a, b)
    assert -1 <= forth.low <= forth.value + 1e-12
    assert forth.value - 1e-12 <= forth.high <= 1
    assert (back.value, back.low, back.high) == pytest.approx((-forth.value, -forth.high, -forth.low))
    assert back.p == pytest.approx(forth.p)
    assert 0 <= forth.p <= 1
    assert forth.high > forth.low


@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(30, 200))
@example(0, (1, 1), 193)  # p is about 1e-16
@settings(max_examples=60, deadline=None)
def test_p_is_the_level_at_which_the_interval_ends_at_0(
    seed: int, seeds: tuple[int, int], num_images: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (
        summarize_scores(rng.random((count, num_images)) < share + 0.1 * rng.normal(size=(count, 1)))
        for count, share in zip(seeds, (0.5, 0.6), strict=True)
    )
    found = crossed_interval(b, a)
    if found.value and found.p < 0.999:
        half_width = found.parts._half_widths()  # of the tail: 1 - p would lose the digits of a tiny p
        assert half_width(found.p / 2) == pytest.approx(abs(found.value), rel=1e-6)


def test_few_seeds_against_many_are_judged_as_few() -> None:
    """Welch's degrees of freedom are those of the many where the few happen to agree."""
    few = np.repeat(np.random.default_rng(0).random((1, 200)) < 0.5, 2, axis=0)
    many = np.random.default_rng(1).random((10, 200)) < 0.6
    parts = variance_parts(summarize_scores(many), summarize_scores(few))
    assert parts.seed_degrees_of_freedom == 2


NUM_DRAWS, NUM_IMAGES = 1_000, 500
LEVELS = (0.0, 0.1)


def draw_pair(rng: np.random.Generator, seeds: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    difficulty = DIFFICULTY * rng.normal(size=NUM_IMAGES)
    return tuple(
        draw_correct(rng, count, difficulty, level, SEED_STD, INTERACTION)
        for count, level in zip(seeds, LEVELS, strict=True)
    )


def student_half_width(a: np.ndarray, b: np.ndarray) -> float:
    """Of Student's interval over seeds: what is usually reported, blind to the draw of images."""
    degrees = len(a) + len(b) - 2
    squares = sum(len(runs) * runs.mean(axis=1).var() for runs in (a, b))
    return float(stdtrit(degrees, 0.975) * np.sqrt(squares / degrees * (1 / len(a) + 1 / len(b))))


@pytest.mark.parametrize("seeds", [(2, 2), (2, 10), (3, 3), (5, 5), (10, 10), (3, 10)])
def test_crossed_intervals_cover_where_one_seed_and_seeds_only_fail(seeds: tuple[int, int]) -> None:
    truth = expected_accuracy(LEVELS[1]) - expected_accuracy(LEVELS[0])
    rng = np.random.default_rng(20_240_817 + sum(seeds))
    covered = {"crossed": 0, "one seed": 0, "seeds only": 0}
    for _ in range(NUM_DRAWS):
        a, b = draw_pair(rng, seeds)
        crossed = crossed_interval(summarize_scores(b), summarize_scores(a))
        covered["crossed"] += crossed.low <= truth <= crossed.high
        images = crossed_interval(summarize_scores(b[:1]), summarize_scores(a[:1]))
        covered["one seed"] += images.low <= truth <= images.high
        covered["seeds only"] += abs(b.mean() - a.mean() - truth) <= student_half_width(a, b)
    share = {name: count / NUM_DRAWS for name, count in covered.items()}
    assert 0.94 <= share["crossed"] <= (0.998 if 2 in seeds else 0.985), share
    assert share["one seed"] < 0.93, share
    if seeds != (2, 2):
        assert share["seeds only"] < 0.93, share


def test_part_of_the_pool_by_hand():
    """n / v times the variance of the runs' means beyond what their images explain; more seeds keep it."""
    rng = np.random.default_rng(3)
    b, a = (draw_correct(rng, seeds, rng.normal(size=400), 0.5, 0.4, 0.3) for seeds in (5, 4))
    plain = variance_parts(summarize_scores(b), summarize_scores(a))
    parts = variance_parts(summarize_scores(b, None, 5.0), summarize_scores(a, None, 5.0))
    beyond = [
        max(run_means.var(ddof=1) - len(run_means) * residual, 0)
        for run_means, residual in zip((b.mean(axis=1), a.mean(axis=1)), plain.residual, strict=True)
    ]
    assert sum(beyond) > 0
    assert parts.pool == pytest.approx([5 * each for each in beyond])
    assert parts.variance == pytest.approx(plain.variance + 5 * sum(beyond))
    assert parts.at(10_000, 400).pool == pytest.approx(parts.pool)
    assert parts.at(10_000, 400).variance == pytest.approx(
        5 * sum(beyond) + plain.image_component / 400, rel=0.01
    )
    assert plain.pool == (0.0, 0.0)


def test_intervals_over_training_sets_hold_where_the_training_set_matters():
    found = false_verdicts(150, train=100, val=20, seeds=5, test=4000, luck=0.0)
    assert found["split"] <= 0.06
    assert found["default"] > 0.12
    assert found["split as in Nadeau and Bengio"] > 0.12


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_false_verdicts_on_training_sets_in_full(cell):
    found = false_verdicts(1500, **cell)
    assert found["split"] <= 0.06
    assert found["default"] > 0.06
