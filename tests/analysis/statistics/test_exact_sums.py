"""Exact sums against fractions, in any order of their terms."""

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
