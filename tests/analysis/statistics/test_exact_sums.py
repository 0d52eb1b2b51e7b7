"""Exact sums against fractions, in any order of their terms."""

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.analysis.statistics.exact_sums import exact_mean, exact_sum, exact_variance

values = st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=40)


@given(values)
@settings(deadline=None)
def test_a_sum_is_that_of_fractions_rounded_once(numbers: list[float]) -> None:
    assert exact_sum(np.array(numbers)) == float(sum(map(Fraction, numbers)))


@given(values, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_no_order_changes_a_digit(numbers, random) -> None:
    shuffled = random.sample(numbers, len(numbers))
    for function in (exact_sum, exact_mean, exact_variance):
        assert function(np.array(numbers)) == function(np.array(shuffled))


@pytest.mark.parametrize("count", [256, 257, 16_384, 40_000])
@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0, 100.0])
def test_many_terms_of_any_size_are_summed_as_by_fsum(count, spread):
    rng = np.random.default_rng(count)
    terms = rng.normal(size=count) * np.exp(rng.normal(0, spread, count))
    assert exact_sum(terms) == math.fsum(terms)
    assert exact_sum(np.abs(terms)) == math.fsum(np.abs(terms))
    almost = np.concatenate([terms, -terms + np.exp(-50) * rng.normal(size=count)])
    assert exact_sum(rng.permutation(almost)) == math.fsum(almost)


def test_many_terms_that_are_equal_fill_the_sum_to_the_last_bit():
    for value in (1.0, 1 - 2.0**-53, -0.1, 5e-324):
        assert exact_sum(np.full(16_384, value)) == math.fsum([value] * 16_384)


@pytest.mark.parametrize("term", [np.nan, np.inf, 1e305])
def test_terms_that_are_no_ordinary_numbers_are_not_lost(term):
    terms = np.append(np.full(10_000, 0.1), term)
    np.testing.assert_equal(exact_sum(terms), math.fsum(terms))


def test_terms_that_cancel_leave_the_small_one() -> None:
    terms = np.array([[1e16, 1.0], [-1e16, 0.0]])
    assert exact_sum(terms) == 1
    assert exact_mean(terms) == 0.25


def test_truth_values_are_counted() -> None:
    assert exact_sum(np.array([[True, False], [True, True]])) == 3
    assert exact_mean(np.array([True, False, True, True])) == 0.75


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40))
@settings(deadline=None)
def test_the_variance_is_that_of_the_sample(numbers: list[int]) -> None:
    expected = statistics.variance(map(Fraction, numbers))
    assert exact_variance(np.array(numbers, float)) == pytest.approx(float(expected), rel=1e-12, abs=1e-9)
