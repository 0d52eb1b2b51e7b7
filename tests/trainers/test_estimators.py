"""Estimators against scikit-learn called directly."""

import subprocess
import sys

import numpy as np
import pytest
from skimage.feature import hog
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import LinearSVC
from tests.trainers.images import DATA

from bakeoff.errors import BakeoffError
from bakeoff.study.settings.trainer import SklearnSettings
from bakeoff.trainers.estimators import build_estimator, features_named, fit_estimator

FOREST = SklearnSettings(estimator="sklearn.ensemble:RandomForestClassifier", n_estimators=10)


def flat(split):
    return split.images.reshape(len(split), -1) / np.float32(255)


def test_a_forest_predicts_as_when_called_directly():
    val, test = fit_estimator(FOREST, 7, DATA.train, DATA.val, DATA.test.images)
    forest = RandomForestClassifier(n_estimators=10, random_state=7).fit(flat(DATA.train), DATA.train.labels)
    np.testing.assert_array_equal(test, forest.predict_proba(flat(DATA.test)))
    np.testing.assert_array_equal(val, forest.predict_proba(flat(DATA.val)))


def test_seeds_differ_and_a_random_state_of_the_users_stays():
    assert build_estimator(FOREST, 1).random_state != build_estimator(FOREST, 2).random_state
    fixed = SklearnSettings(estimator=FOREST.estimator, random_state=5)
    assert build_estimator(fixed, 1).random_state == 5


def test_an_estimator_without_probabilities_gives_its_scores():
    settings = SklearnSettings(estimator="sklearn.svm:LinearSVC", C=0.1)
    _, test = fit_estimator(settings, 3, DATA.train, DATA.val, DATA.test.images)
    direct = LinearSVC(C=0.1, random_state=3).fit(flat(DATA.train), DATA.train.labels)
    np.testing.assert_array_equal(test, direct.decision_function(flat(DATA.test)))


def test_a_function_may_make_a_pipeline_whose_steps_get_the_seed(tmp_path, monkeypatch):
    (tmp_path / "own_pipeline.py").write_text(
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler\n"
        "from sklearn.svm import LinearSVC\n"
        "def scaled(C=1.0):\n"
        "    return make_pipeline(StandardScaler(), LinearSVC(C=C))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    pipeline = build_estimator(SklearnSettings(estimator="own_pipeline:scaled", C=0.2), 7)
    assert pipeline.get_params()["linearsvc__random_state"] == 7
    assert pipeline.get_params()["linearsvc__C"] == 0.2


def test_features_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "rows.py").write_text("def sums(images):\n    return images.sum(axis=(2, 3)).astype(float)\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert features_named("rows:sums")(DATA.test.images).shape == (20, 8)


def test_hog_is_scikit_images():
    features = features_named("hog")(DATA.test.images)
    expected = hog(DATA.test.images[3], pixels_per_cell=(4, 4), cells_per_block=(2, 2), channel_axis=-1)
    assert features.shape == (20, len(expected))
    np.testing.assert_allclose(features[3], expected, rtol=1e-6)


def test_without_scikit_image_hog_says_what_to_install():
    code = (
        "import sys; sys.modules['skimage'] = None\n"  # as where it is not installed
        "from bakeoff.trainers.estimators import features_named\n"
        "features_named('hog')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'features = "hog" needs scikit-image; install it' in done.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"estimator": "sklearn.ensemble:Forest"}, "has no class or function 'Forest'; it has"),
        ({"estimator": "no_such:Forest"}, "cannot import 'no_such'"),
        (
            {"estimator": FOREST.estimator, "trees": 3},
            "cannot be built: .*unexpected keyword argument 'trees'",
        ),
        (
            {"estimator": "sklearn.cluster:KMeans"},
            "does not have fit, and predict_proba or decision_function",
        ),
    ],
)
def test_what_cannot_be_built_is_said(settings, message):
    with pytest.raises(BakeoffError, match=message):
        build_estimator(SklearnSettings(**settings), 0)
