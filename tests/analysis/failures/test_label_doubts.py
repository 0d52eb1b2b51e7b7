import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from bakeoff.analysis.failures.label_doubts import label_doubts, mean_probabilities
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions, RecipePredictions


@pytest.fixture(scope="module")
def corrupted_digits():
    """Real digits, 30 of their labels changed, and probabilities by cross-validation."""
    images, true = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    changed = rng.choice(len(true), 30, replace=False)
    given = true.copy()
    given[changed] = (true[changed] + rng.integers(1, 10, 30)) % 10
    model = LogisticRegression(C=0.1, max_iter=300)
    probabilities = cross_val_predict(model, images / 16, given, cv=3, method="predict_proba")
    return given, true, probabilities, set(changed.tolist())


def test_changed_labels_are_found_with_what_they_were(corrupted_digits):
    given, true, probabilities, changed = corrupted_digits
    found = label_doubts(given, probabilities, limit=20)
    hits = [doubt for doubt in found.doubts if doubt.index in changed]
    assert len(hits) >= 16
    assert sum(doubt.suggested == true[doubt.index] for doubt in hits) >= 15
    assert len(found.doubts) == 20 < found.num_flagged < 60
    assert found.num_images == len(given)


def test_records_repeat_the_probabilities_in_order_of_the_margin(corrupted_digits):
    given, _, probabilities, _ = corrupted_digits
    found = label_doubts(given, probabilities)
    margins = []
    for place, doubt in enumerate(found.doubts, start=1):
        row = probabilities[doubt.index]
        assert (doubt.rank, doubt.label) == (place, given[doubt.index])
        assert doubt.label_probability == pytest.approx(row[doubt.label])
        assert doubt.suggested_probability == pytest.approx(max(np.delete(row, doubt.label)))
        assert row[doubt.suggested] == pytest.approx(doubt.suggested_probability)
        margins.append(doubt.label_probability - doubt.suggested_probability)
    assert margins == sorted(margins)
    assert margins[-1] < 0
    assert found.agreement == np.mean(probabilities.argmax(axis=1) == given)
    assert found.of_image(found.doubts[3].index) == found.doubts[3]
    clean = next(i for i in range(len(given)) if probabilities[i, given[i]] > 0.9)
    assert found.of_image(clean) is None


def test_what_does_not_fit_is_refused_in_plain_words(corrupted_digits):
    given, _, probabilities, _ = corrupted_digits
    with pytest.raises(BakeoffError, match="one row of probabilities"):
        label_doubts(given[:-1], probabilities)
    with pytest.raises(BakeoffError, match="with class 9 "):
        label_doubts(given[given < 9], probabilities[given < 9])


def test_recipes_count_alike_whatever_their_number_of_seeds():
    one = np.full((1, 2, 2), [0.8, 0.2], dtype=np.float32)
    three = np.full((3, 2, 2), [0.4, 0.6], dtype=np.float32)
    recipes = tuple(
        RecipePredictions(name, tuple(range(len(p))), p.argmax(axis=-1), p)
        for name, p in (("one", one), ("three", three))
    )
    study = Predictions(np.array([0, 1]), ("i", "j"), ("a", "b"), recipes)
    np.testing.assert_allclose(mean_probabilities(study), [[0.6, 0.4]] * 2, rtol=1e-6)
    blind = RecipePredictions("blind", (0,), np.array([[0, 1]]))
    with pytest.raises(BakeoffError, match="blind"):
        mean_probabilities(Predictions(study.labels, study.image_ids, study.class_names, (blind,)))
