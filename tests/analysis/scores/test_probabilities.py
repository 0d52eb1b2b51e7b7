"""Scores of probabilities against scikit-learn, and influence values against derivatives by weights."""

import numpy as np
import pytest
from sklearn import metrics
from tests.analysis.scores.weights import derivative

from bakeoff.analysis.scores.probabilities import (
    auroc,
    average_precision,
    binary_auroc,
    binary_average_precision,
    brier,
    log_loss,
    rank_images,
    top_k,
)


def draw(seed: int, ties: bool, num_images: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, num_images, p=[0.7, 0.2, 0.1, 0]) if seed % 2 else rng.integers(0, 4, num_images)
    labels[:2] = [0, 1]
    logits = rng.normal(size=(num_images, 4)) + np.eye(4)[labels]
    if ties:
        logits = logits.round()
    chances = np.exp(logits)
    return labels, (chances / chances.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_the_values_are_scikit_learns(seed: int, ties: bool) -> None:
    labels, chances = draw(seed, ties)
    exact = chances.astype(np.float64)
    ranked = [
        (
            metrics.roc_auc_score(labels == label, exact[:, label]),
            metrics.average_precision_score(labels == label, exact[:, label]),
        )
        for label in np.unique(labels)
    ]
    assert auroc(labels, chances).value == pytest.approx(np.mean(ranked, axis=0)[0], abs=1e-12)
    assert average_precision(labels, chances).value == pytest.approx(np.mean(ranked, axis=0)[1], abs=1e-12)
    for k in (1, 2, 3):
        theirs = metrics.top_k_accuracy_score(labels, exact, k=k, labels=range(4))
        assert top_k(labels, chances, k).value == pytest.approx(theirs, abs=1e-12)
    exact /= exact.sum(axis=1, keepdims=True)
    theirs = metrics.log_loss(labels, exact, labels=range(4))
    assert log_loss(labels, chances).value == pytest.approx(theirs, abs=1e-6)
    theirs = metrics.brier_score_loss(labels, exact, labels=range(4), scale_by_half=False)
    assert brier(labels, chances).value == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("score", "theirs"),
    [
        (binary_auroc, metrics.roc_auc_score),
        (binary_average_precision, metrics.average_precision_score),
    ],
)
def test_the_influence_values_are_derivatives_by_weights(score, theirs, seed: int, ties: bool) -> None:
    labels, chances = draw(seed, ties)
    positive, scores = labels == 1, chances[:, 1].astype(np.float64)
    found = score(rank_images(positive, scores))
    assert found.influence.sum() == pytest.approx(0, abs=1e-9)
    expected = derivative(lambda weights: theirs(positive, scores, sample_weight=weights), len(labels))
    assert found.influence == pytest.approx(expected, abs=1e-5)


def test_the_mean_over_classes_has_the_mean_influence() -> None:
    labels, chances = draw(3, ties=True)
    for mean, binary in ((auroc, binary_auroc), (average_precision, binary_average_precision)):
        rankings = [rank_images(labels == label, chances[:, label]) for label in np.unique(labels)]
        each = [binary(ranking).influence for ranking in rankings]
        assert mean(labels, chances).influence == pytest.approx(np.mean(each, axis=0))


def test_images_of_one_class_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="all images are of one class"):
        auroc(np.zeros(5, np.int64), np.full((5, 2), 0.5, np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_are_those_of_sorted_scores(dtype: type) -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([[0.0, -0.0, 1.0, 1e-40], rng.random(500), rng.random(500).round(1)]).astype(
        dtype
    )
    ranking = rank_images(scores > 0.5, scores)
    assert (ranking.ranks == np.unique(-scores, return_inverse=True)[1]).all()
    assert (ranking.num_images == np.unique(scores, return_counts=True)[1][::-1]).all()
    assert ranking.num_positive.sum() == len(ranking.positive) == (scores > 0.5).sum()
