"""Scores of predicted classes against scikit-learn, and influence values against derivatives by weights."""

import numpy as np
import pytest
from sklearn import metrics
from tests.analysis.scores.weights import derivative

from bakeoff.analysis.scores.predicted_classes import balanced_accuracy, f1, macro_f1, precision, recall


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 80, p=[0.75, 0.15, 0.05, 0.05])
    guessed = np.where(rng.random(80) < 0.7, labels, rng.integers(0, 4, 80))
    return {
        "random": (labels, guessed),
        "a class never predicted": (labels, np.where(guessed == 2, 0, guessed)),
        "a class without images": (np.where(labels == 2, 0, labels), guessed),
        "one class": (np.zeros(10, np.int64), np.zeros(10, np.int64)),
        "a constant answer": (labels, np.zeros(80, np.int64)),
        "nothing right": (np.array([0, 0, 1]), np.array([1, 1, 0])),
    }


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
@pytest.mark.parametrize("kind", cases())
def test_the_values_are_scikit_learns_and_the_influence_values_derivatives(kind: str) -> None:
    labels, guessed = cases()[kind]
    classes = np.unique(labels)
    pairs = [
        (balanced_accuracy(labels, guessed), metrics.balanced_accuracy_score, {}),
        (macro_f1(labels, guessed), metrics.f1_score, {"average": "macro", "zero_division": 0}),
        *(
            (ours(labels, guessed, label), theirs, {"average": None, "labels": [label], "zero_division": 0})
            for label in classes
            for ours, theirs in (
                (precision, metrics.precision_score),
                (recall, metrics.recall_score),
                (f1, metrics.f1_score),
            )
        ),
    ]
    for found, theirs, settings in pairs:

        def weighted(weights=None, theirs=theirs, settings=settings):
            return float(np.squeeze(theirs(labels, guessed, sample_weight=weights, **settings)))

        assert found.value == pytest.approx(weighted(), abs=1e-12)
        assert found.influence.sum() == pytest.approx(0, abs=1e-9)
        assert found.influence == pytest.approx(derivative(weighted, len(labels)), abs=1e-5)
