import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score

from bakeoff.analysis.failures.confusion import class_accuracies, confusion_counts, confusions
from bakeoff.predictions import Predictions, RecipePredictions


@given(st.integers(2, 5), st.integers(1, 80), st.integers(1, 4), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_sklearn_run_by_run(num_classes, num_images, num_seeds, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=num_images)
    predicted = rng.integers(num_classes, size=(num_seeds, num_images))
    counts = confusion_counts(labels, predicted, num_classes)
    expected = [confusion_matrix(labels, run, labels=range(num_classes)) for run in predicted]
    np.testing.assert_array_equal(counts, expected)


def test_class_accuracy_is_recall_and_unknown_for_a_class_without_images():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(3, size=60), rng.integers(4, size=(2, 60))
    accuracy = class_accuracies(confusion_counts(labels, predicted, 4))
    for run, found in zip(predicted, accuracy, strict=True):
        recall = recall_score(labels, run, labels=[0, 1, 2], average=None)
        np.testing.assert_allclose(found[:3], recall)
    assert np.isnan(accuracy[:, 3]).all()


def test_mean_and_sd_over_seeds_by_hand():
    labels = np.array([0, 0, 1, 1])
    predicted = np.array([[0, 0, 1, 0], [0, 1, 1, 0]])
    study = Predictions(
        labels,
        ("a", "b", "c", "d"),
        ("x", "y"),
        (RecipePredictions("two", (0, 1), predicted), RecipePredictions("one", (0,), predicted[:1])),
    )
    two, one = confusions(study)
    assert (two.recipe, one.recipe) == ("two", "one")
    np.testing.assert_allclose(two.mean_counts, [[1.5, 0.5], [1, 1]])
    np.testing.assert_allclose(two.class_accuracy_mean, [0.75, 0.5])
    np.testing.assert_allclose(two.class_accuracy_sd, [np.sqrt(0.125), 0])
    assert np.isnan(one.class_accuracy_sd).all()
