import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.analysis.failures.difficulty import NEVER_WRONG, image_difficulties, image_difficulty
from bakeoff.predictions import Predictions, RecipePredictions


def slow_usual_wrong(label, votes, probabilities):
    wrong = [vote for vote in votes if vote != label]
    if not wrong:
        return NEVER_WRONG, 0
    best = max(set(wrong), key=lambda c: (wrong.count(c), probabilities[:, c].astype(float).mean(), -c))
    return best, wrong.count(best)


@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_agrees_with_counting_image_by_image(num_seeds, num_classes, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=30)
    probabilities = rng.dirichlet(np.ones(num_classes), (num_seeds, 30)).astype(np.float32)
    predicted = probabilities.argmax(axis=-1)
    recipe = RecipePredictions("r", tuple(range(num_seeds)), predicted, probabilities)
    found = image_difficulty(labels, recipe, num_classes)
    for image, label in enumerate(labels):
        usual, votes = slow_usual_wrong(label, list(predicted[:, image]), probabilities[:, image])
        assert (found.usual_wrong[image], found.num_usual_wrong[image]) == (usual, votes)
        assert found.num_right[image] == sum(predicted[:, image] == label)
        mean = probabilities[:, image].mean(axis=0, dtype=float)
        np.testing.assert_allclose(found.true_probability[image], mean[label])
        expected = np.nan if usual == NEVER_WRONG else mean[usual]
        np.testing.assert_allclose(found.wrong_probability[image], expected)
    np.testing.assert_allclose(found.share_right, (predicted == labels).mean(axis=0))
    np.testing.assert_array_equal(found.num_wrong + found.num_right, num_seeds)


def test_a_tie_goes_to_the_more_probable_class():
    probabilities = np.array([[[0.1, 0.5, 0.4]], [[0.1, 0.1, 0.8]]], dtype=np.float32)
    recipe = RecipePredictions("r", (0, 1), np.array([[1], [2]]), probabilities)
    assert image_difficulty(np.array([0]), recipe, 3).usual_wrong[0] == 2


def test_without_probabilities_the_votes_alone_are_known():
    recipe = RecipePredictions("r", (0, 1, 2), np.array([[1, 0], [1, 0], [2, 0]]))
    study = Predictions(np.array([0, 0]), ("i", "j"), ("a", "b", "c"), (recipe,))
    [found] = image_difficulties(study)
    assert found.usual_wrong.tolist() == [1, NEVER_WRONG]
    assert found.num_usual_wrong.tolist() == [2, 0]
    assert np.isnan(found.true_probability).all()
