"""The best of n trials: by enumeration of all subsets, and on published runs."""

from itertools import combinations

import numpy as np
import pytest

from bakeoff.analysis.statistics.expected_best import expected_best

CHANCE = 10.0
"""Diverged runs have 9.986 to 10.016 % accuracy; taken as this."""

DEEPOBS = {
    # Test accuracy in % of the 36 learning rates 1e-5 to 1e2, seed 42, of the 2c2d network on Fashion-MNIST
    # after 100 epochs: the runs that did not diverge.
    "Adam": (
        "89.864 90.415 91.056 91.406 90.655 91.817 92.318 92.939 92.037 92.127 91.126 90.605 "
        "90.915 89.513 88.542 87.33 86.058 83.684",
        {1: 50.07, 2: 70.98, 4: 87.00, 8: 91.85, 16: 92.48},
    ),
    "SGD": (
        "65.465 70.633 73.588 75.801 78.035 80.098 82.212 84.285 85.717 86.889 88.031 89.083 "
        "90.134 90.775 91.186 91.286 91.536 91.707 91.867 91.887 92.007 92.177 91.647 91.456",
        {1: 60.49, 2: 79.60, 4: 89.62, 8: 91.71, 16: 92.02},
    ),
    "momentum": (
        "88.051 88.191 88.972 89.724 90.355 89.744 91.066 91.496 92.298 92.328 92.278 92.117 "
        "92.398 91.697 90.084 84.996 79.818 83.534",
        {1: 49.70, 2: 70.56, 4: 86.72, 8: 91.77, 16: 92.30},
    ),
}
"""Schneider, Balles and Hennig (2019), DeepOBS: a deep learning optimizer benchmark suite, ICLR; raw results,
published under the MIT license. Beside them, the mean of the best of n over all subsets of size n."""


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_all_subsets_one_by_one(seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 6, size=8) / 7  # with ties
    found = expected_best(scores, level=0.8)
    for n in range(1, 9):
        best = np.array([max(subset) for subset in combinations(scores, n)])
        assert found.mean[n - 1] == pytest.approx(best.mean(), abs=1e-12)
        assert found.low[n - 1] == np.quantile(best, 0.1, method="inverted_cdf")
        assert found.high[n - 1] == np.quantile(best, 0.9, method="inverted_cdf")


@pytest.mark.parametrize("name", DEEPOBS)
def test_it_reproduces_the_published_runs_of_deepobs(name: str) -> None:
    text, expected = DEEPOBS[name]
    trained = [float(value) for value in text.split()]
    found = expected_best(np.array([*trained, *[CHANCE] * (36 - len(trained))]))
    for n, value in expected.items():
        assert found.mean[n - 1] == pytest.approx(value, abs=0.005)


def test_many_trials_stay_exact() -> None:
    found = expected_best(np.arange(1_000.0))
    n = np.arange(1, 1_001)
    assert found.mean == pytest.approx(n * 1_001 / (n + 1) - 1)  # of n without replacement from 1 .. N
    assert (np.diff(found.mean) > 0).all()


def test_one_trial_is_its_own_best() -> None:
    found = expected_best(np.array([0.7]))
    assert (found.mean[0], found.low[0], found.high[0]) == (0.7, 0.7, 0.7)


def test_the_estimate_is_unbiased_for_a_search_of_n_trials() -> None:
    rng = np.random.default_rng(3)
    estimates = np.array([expected_best(rng.random(6)).mean for _ in range(4_000)])
    n = np.arange(1, 7)
    errors = estimates.std(axis=0) / np.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - n / (n + 1)) < 4 * errors).all()
