"""Runs that failed, and the comparison without them."""

import numpy as np
import pytest
from tests.analysis.comparison.test_notes import predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.outlying import outlying_runs
from bakeoff.analysis.comparison.result import RunAccuracy
from bakeoff.analysis.statistics.wilson import wilson_interval


def outlying(*accuracies: float, num_images: int = 2400) -> list[int]:
    runs = [RunAccuracy(seed, accuracy, accuracy, (0.0, 1.0)) for seed, accuracy in enumerate(accuracies)]
    found = outlying_runs(runs, num_images, 0.95)
    return [] if found is None else list(found.seeds)


def test_runs_that_diverged_are_outlying_and_worse_ones_are_not() -> None:
    assert outlying(0.58, 0.6, 0.094, 0.59) == [2]
    assert outlying(0.54, 0.1, 0.53, 0.1, 0.52) == [1, 3]
    assert outlying(0.58, 0.6, 0.49) == []
    assert outlying(0.4, 0.55, 0.7) == []
    assert outlying(0.9, 0.9, 0.9) == []
    assert outlying(0.65, 0.52, 0.63, num_images=60) == []  # as sixty images may have it
    assert outlying(0.1, 0.6) == []  # nothing tells which of two


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_a_pair_is_given_with_and_without_the_runs_that_failed(metric: str) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 600)

    def runs(*shares: float) -> list[list[int]]:
        return [np.where(rng.random(600) < share, labels, 1 - labels).tolist() for share in shares]

    good, mixed = runs(0.8, 0.81, 0.8, 0.79), runs(0.9, 0.3, 0.9, 0.91)
    found = compare(predictions(good, mixed, labels=labels.tolist()), metric=metric)
    kept = compare(predictions(good, mixed[:1] + mixed[2:], labels=labels.tolist()), metric=metric)
    assert [recipe.outlying.seeds for recipe in found.recipes if recipe.outlying] == [(), (1,)]
    failures = found.recipes[1].outlying
    assert failures is not None
    assert (failures.share, failures.interval) == (0.25, pytest.approx(wilson_interval(1, 4, 0.95)))
    (pair,), (expected,) = found.pairs, kept.pairs
    assert pair.verdict == "undecided"
    assert pair.without_outlying is not None
    assert pair.without_outlying.verdict == expected.verdict == "better"
    assert pair.without_outlying.interval == pytest.approx(expected.interval)
    assert expected.without_outlying is None
