"""Fixed and broken images against a count over all pairs of runs."""

import numpy as np
import pytest

from bakeoff.analysis.statistics.fixed_and_broken import fixed_and_broken


def test_fixed_and_broken_are_means_over_all_pairs_of_runs() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random((3, 50)) < 0.4, rng.random((4, 50)) < 0.6
    fixed = np.mean([(run_b & ~run_a).sum() for run_a in a for run_b in b])
    broken = np.mean([(run_a & ~run_b).sum() for run_a in a for run_b in b])
    found = fixed_and_broken(a.mean(axis=0), b.mean(axis=0))
    assert found == pytest.approx((fixed, broken))
    assert (found[0] - found[1]) / 50 == pytest.approx(b.mean() - a.mean())
