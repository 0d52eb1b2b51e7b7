import numpy as np
import pytest

from bakeoff.analysis.failures.cases import choose_failed_cases, failed_case
from bakeoff.analysis.failures.confusion import confusions
from bakeoff.analysis.failures.difficulty import image_difficulties
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions, RecipePredictions


def random_study(seed=0, with_probabilities=True):
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=80)
    recipes = []
    for name, num_seeds in (("plain", 3), ("other", 4)):
        logits = rng.normal(size=(1, 80, 4)) + rng.normal(size=(num_seeds, 80, 4)) + 1.5 * np.eye(4)[labels]
        probabilities = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype(np.float32)
        recipes.append(
            RecipePredictions(
                name,
                tuple(range(num_seeds)),
                logits.argmax(-1),
                probabilities if with_probabilities else None,
            )
        )
    return Predictions(labels, tuple(f"{i}.png" for i in range(80)), tuple("abcd"), tuple(recipes))


def choose(study):
    return choose_failed_cases(study, image_difficulties(study), confusions(study))


@pytest.mark.parametrize("seed", range(5))
def test_the_chosen_image_is_wrong_most_often_then_most_surely_then_first(seed):
    study = random_study(seed)
    cases = choose(study)
    for recipe in study.recipes:
        for label in range(4):
            keys = []
            for image in np.flatnonzero(study.labels == label):
                answers = recipe.predicted[:, image]
                wrong = answers[answers != label]
                if len(wrong):
                    mean = recipe.probabilities[:, image].astype(float).mean(axis=0)
                    usual = max(set(wrong.tolist()), key=lambda c: (np.sum(wrong == c), mean[c]))
                    keys.append((-len(wrong), -mean[usual], image))
            [case] = [c for c in cases if (c.recipe, c.true) == (recipe.name, label)]
            assert case.image_index == min(keys)[2]


@pytest.mark.parametrize("with_probabilities", [True, False])
def test_the_record_is_what_the_arrays_hold(with_probabilities):
    study = random_study(with_probabilities=with_probabilities)
    cases = choose(study)
    assert [(case.recipe, case.true) for case in cases] == [
        (n, c) for n in ("plain", "other") for c in range(4)
    ]
    for case in cases:
        recipe = study.recipe(case.recipe)
        answers = recipe.predicted[:, case.image_index]
        assert study.image_ids[case.image_index] == case.image_id
        assert study.labels[case.image_index] == case.true != case.predicted
        assert (case.num_seeds, case.num_wrong) == (len(answers), np.sum(answers != case.true))
        assert case.num_predicted == np.sum(answers == case.predicted) >= 1
        of_class = study.labels == case.true
        taken = (recipe.predicted[:, of_class] == case.predicted).sum(axis=1)
        assert case.confusion_count == pytest.approx(taken.mean())
        assert case.confusion_share == pytest.approx(taken.mean() / of_class.sum())
        if with_probabilities:
            given = recipe.probabilities[answers == case.predicted, case.image_index, case.predicted]
            assert case.predicted_probability == pytest.approx(given.mean(), rel=1e-5)
            true = recipe.probabilities[:, case.image_index, case.true]
            assert case.true_probability == pytest.approx(true.mean(), rel=1e-5)
        else:
            assert np.isnan(case.predicted_probability)
            assert np.isnan(case.true_probability)


def test_a_class_without_errors_has_no_case_and_a_right_image_is_refused():
    labels = np.array([0, 0, 1])
    recipe = RecipePredictions("r", (0, 1), np.array([[0, 0, 0], [0, 0, 1]]))
    study = Predictions(labels, ("x", "y", "z"), ("a", "b"), (recipe,))
    [case] = choose(study)
    assert (case.image_id, case.num_wrong, case.num_seeds) == ("z", 1, 2)
    with pytest.raises(BakeoffError, match="x is not a failed case: all 2 runs of r are right"):
        failed_case(study, image_difficulties(study)[0], confusions(study)[0], 0)
