"""Wilson's interval against statsmodels."""

import pytest
from statsmodels.stats.proportion import proportion_confint

from bakeoff.analysis.statistics.wilson import wilson_interval


@pytest.mark.parametrize("right", [0, 1, 37, 99, 100])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_agrees_with_statsmodels(right: int, confidence: float) -> None:
    expected = proportion_confint(right, 100, alpha=1 - confidence, method="wilson")
    assert wilson_interval(right, 100, confidence) == pytest.approx(expected, abs=1e-12)
