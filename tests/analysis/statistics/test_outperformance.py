"""The probability of outperforming against SciPy's Mann-Whitney U."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from bakeoff.analysis.statistics.outperformance import probability_of_outperforming


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=8), st.lists(st.integers(0, 6), min_size=1, max_size=8)
)
@settings(deadline=None)
def test_probability_of_outperforming_is_mann_whitney(a: list[int], b: list[int]) -> None:
    expected = mannwhitneyu(b, a, method="asymptotic").statistic / (len(a) * len(b))
    assert probability_of_outperforming(np.array(a), np.array(b)) == pytest.approx(expected)
