"""The models of a recipe together, and what is noticed before they are believed."""

import shutil

import numpy as np
import pytest
from tests.digests import forget_digests
from tests.predict.trained import OWN_MODEL, bakeoff, softmax, stored

from bakeoff.errors import BakeoffError
from bakeoff.predict.ensemble import load_ensemble
from bakeoff.predict.files import predict
from bakeoff.predict.model import load_model


def test_the_ensemble_averages_probabilities_and_counts_the_seeds_that_agree(photo_study, split_files):
    found = list(predict(photo_study, split_files, recipe="lenet5"))
    each = np.stack([softmax(stored(photo_study, "lenet5", seed)["test_logits"]) for seed in (0, 1)])
    mean = (each[0] + each[1]) / 2
    np.testing.assert_allclose([outcome.probabilities for outcome in found], mean, rtol=1e-12)
    np.testing.assert_allclose([outcome.probability for outcome in found], mean.max(1), rtol=1e-12)
    agreement = (each.argmax(2) == mean.argmax(1)).sum(0).tolist()
    assert [outcome.agreement for outcome in found] == agreement
    assert {1, 2} <= set(agreement)


def test_swapped_weights_are_noticed(photo_study, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(photo_study, study, ignore=shutil.ignore_patterns("report", "tensorboard"))
    forget_digests(study)
    weights = study / "runs/lenet5/seed-0/best.safetensors"
    content = bytearray(weights.read_bytes())
    content[-200:] = bytes(200)
    weights.write_bytes(content)
    with pytest.raises(BakeoffError, match="lenet5, seed 0, does not reproduce its stored logits"):
        load_ensemble(study, recipe="lenet5")
    shutil.copy(study / "runs/lenet5/seed-1/best.safetensors", weights)
    with pytest.raises(BakeoffError, match="it holds 'lenet5', seed 1"):
        load_ensemble(study, recipe="lenet5")
    weights.write_bytes(b"\xff" * 100)
    with pytest.raises(BakeoffError, match="is damaged"):
        load_ensemble(study, recipe="lenet5")
    weights.unlink()
    assert load_ensemble(study, recipe="lenet5").seeds == (1,)
    with pytest.raises(BakeoffError, match="has no finished run of lenet5 with seed 0"):
        load_model(study, "lenet5", 0)


@pytest.mark.slow
def test_a_model_of_the_users_own_predicts_and_a_changed_one_is_refused(tmp_path, split_files):
    (tmp_path / "mine.py").write_text(OWN_MODEL.replace("{activation}", "ReLU"))
    words = ["quickstart", "--seeds", "1", "--epochs", "2", "--recipes", "lenet5", "--no-check"]
    done = bakeoff(
        "run", *words, "--set", "recipes.lenet5.model.name=mine:Small", "--out", "study", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    predicted = bakeoff("predict", "study", split_files[0], cwd=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    assert "Recipe lenet5: the only recipe with a finished run. Seed 0." in predicted.stdout
    (tmp_path / "mine.py").write_text(OWN_MODEL.replace("{activation}", "Tanh"))
    unknown = bakeoff("predict", "study", split_files[0], cwd=tmp_path)
    assert unknown.returncode == 2
    assert "code that you have not run" in unknown.stderr
    changed = bakeoff("predict", "study", split_files[0], "--trust", cwd=tmp_path)
    assert changed.returncode == 2
    assert "does not reproduce its stored logits of the test images" in changed.stderr
    elsewhere = bakeoff("predict", tmp_path / "study", split_files[0], "--trust", cwd=tmp_path / "study")
    assert elsewhere.returncode == 2
    assert "cannot import 'mine'" in elsewhere.stderr


@pytest.mark.slow
def test_images_larger_than_the_folder_stores_are_checked_as_long_as_they_are_in_the_cache(
    tmp_path, split_files
):
    cache = {"BAKEOFF_CACHE": str(tmp_path / "cache")}
    (tmp_path / "mine.py").write_text(OWN_MODEL.replace("{activation}", "ReLU"))
    settings = ["--set", "recipes.lenet5.model.name=mine:Small", "--set", "data.image_size=80"]
    words = ["quickstart", *settings, "--seeds", "1", "--epochs", "1", "--recipes", "lenet5", "--no-check"]
    done = bakeoff("run", *words, "--out", "study", cwd=tmp_path, **cache)
    assert done.returncode == 0, done.stderr
    predicted = bakeoff("predict", "study", split_files[0], cwd=tmp_path, **cache)
    assert predicted.returncode == 0, predicted.stderr
    assert "Not checked" not in predicted.stdout
    (tmp_path / "mine.py").write_text(OWN_MODEL.replace("{activation}", "Tanh"))
    changed = bakeoff("predict", "study", split_files[0], "--trust", cwd=tmp_path, **cache)
    assert changed.returncode == 2
    assert "does not reproduce its stored logits of the test images" in changed.stderr
    shutil.rmtree(tmp_path / "cache")
    unchecked = bakeoff("predict", "study", split_files[0], "--trust", cwd=tmp_path, **cache)
    assert unchecked.returncode == 0, unchecked.stderr
    assert unchecked.stdout.count("Not checked whether the models reproduce") == 1
