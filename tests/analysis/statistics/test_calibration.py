"""Calibration against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss
from tests.analysis.comparison.samples import draw_predictions

from bakeoff.analysis.statistics.calibration import (
    brier_scores,
    calibration,
    calibration_gaps,
    equal_mass_bins,
    log_losses,
)


def test_brier_and_log_loss_agree_with_scikit_learn() -> None:
    predictions = draw_predictions(num_recipes=1, num_seeds=2)
    probabilities = predictions.recipes[0].probabilities
    assert probabilities is not None
    brier = brier_scores(probabilities, predictions.labels).mean(axis=1)
    losses = log_losses(probabilities, predictions.labels).mean(axis=1)
    for run in range(2):
        exact = probabilities[run].astype(float)
        exact /= exact.sum(axis=1, keepdims=True)
        assert brier[run] == pytest.approx(
            brier_score_loss(predictions.labels, exact, scale_by_half=False), rel=1e-5
        )
        assert losses[run] == pytest.approx(log_loss(predictions.labels, exact), rel=1e-5)


def test_a_certain_mistake_has_a_finite_log_loss() -> None:
    losses = log_losses(np.array([[[1.0, 0.0]]], np.float32), np.array([1]))
    assert 15 < losses.item() < 16


def test_calibration_error_is_the_mean_of_its_per_image_scores() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(1000)
    correct = rng.random(1000) < confidence**2
    bins = np.array_split(np.argsort(confidence), 15)
    by_hand = sum(abs(correct[b].mean() - confidence[b].mean()) * len(b) for b in bins) / 1000
    # Bins by rank: array_split puts the larger ones first, ours spread them.
    gaps = calibration_gaps(confidence, correct, equal_mass_bins(confidence))
    assert gaps.mean() == pytest.approx(by_hand, abs=2e-3)
    confidence, correct = confidence[:990], correct[:990]
    exact = calibration_gaps(confidence, correct, equal_mass_bins(confidence)).mean()
    bins = np.array_split(np.argsort(confidence), 15)
    assert exact == pytest.approx(
        sum(abs(correct[b].mean() - confidence[b].mean()) * len(b) for b in bins) / 990
    )


@given(st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=60), st.integers(0, 99))
@settings(deadline=None)
def test_bins_do_not_depend_on_the_order_of_images(values: list[float], seed: int) -> None:
    confidence = np.array(values)
    order = np.random.default_rng(seed).permutation(len(values))
    assert (equal_mass_bins(confidence)[order] == equal_mass_bins(confidence[order])).all()


def test_a_calibrated_recipe_has_a_reliability_plot_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    top = rng.uniform(0.5, 1, (4, 6000)).astype(np.float32)
    probabilities = np.stack([top, 1 - top], axis=2)
    predicted = np.zeros((4, 6000), int)
    # Labels are shared by the runs, so calibrate each run's confidence on its own labels in turn.
    labels = (rng.random(6000) > top[0]).astype(int)
    found = calibration(probabilities[:1], predicted[:1], labels)
    assert len(found.bins) == 15
    assert sum(entry.num_predictions for entry in found.bins) == 6000
    inside = [entry.interval[0] <= entry.confidence <= entry.interval[1] for entry in found.bins]
    assert sum(inside) >= 13
    assert found.ece < 0.03


def test_a_calibrated_model_shows_the_ece_that_is_expected_of_it_and_no_gap() -> None:
    """An interval about its ECE would exclude 0: 6.0 (2.3 to 9.8) was seen at 500 images."""
    rng = np.random.default_rng(0)
    eces, expected, covered = [], [], 0
    for _ in range(200):
        top = rng.uniform(0.5, 1, 500)
        probabilities = np.stack([top, 1 - top], axis=1)[None].astype(np.float32)
        found = calibration(probabilities, np.zeros((1, 500), int), (rng.random(500) > top).astype(int))
        eces.append(found.ece)
        expected.append(found.ece_if_calibrated)
        covered += found.gap_interval[0] <= 0 <= found.gap_interval[1]
    assert np.mean(eces) == pytest.approx(np.mean(expected), rel=0.05)
    assert 0.9 <= covered / 200 <= 0.99
    sure = calibration(np.array([[[0.99, 0.01]] * 50]), np.zeros((1, 50), int), np.arange(50) % 2)
    assert sure.gap == pytest.approx(0.49)
    assert sure.ece > 5 * sure.ece_if_calibrated
