"""A study's models on other labeled images."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tests.in_process import bakeoff
from tests.predict.trained import stored

from bakeoff.engines.stacked import StackedEngine
from bakeoff.errors import BakeoffError
from bakeoff.predict.evaluate import evaluate
from bakeoff.running.run_study import run_study
from bakeoff.study import study_from_toml


def test_the_studys_own_test_images_change_nothing(photo_study, photographs):
    found = evaluate(photo_study, f"splits:{photographs}")
    for recipe in found.predictions.recipes:
        for place, seed in enumerate(recipe.seeds):
            of_run = stored(photo_study, recipe.name, seed)
            assert (recipe.predicted[place] == of_run["test_logits"].argmax(1)).all()
    assert (found.predictions.labels == of_run["test_labels"]).all()
    assert [recipe.change for recipe in found.changes.recipes] == [0.0, 0.0]
    (pair,) = found.changes.pairs
    assert (pair.a, pair.b, pair.change) == ("lenet5", "lenet5_batch_norm", 0.0)
    assert pair.before == pytest.approx(found.comparison.pairs[0].difference)


def test_darker_photographs_in_folders_of_some_classes(photo_study, photographs, tmp_path):
    names = (photographs / "class_names.txt").read_text().split()
    lines = [line.rsplit(" ", 1) for line in (photographs / "splits/test.txt").read_text().splitlines()]
    for path, label in [line for line in lines if int(line[1]) in (0, 1, 7)]:
        folder = tmp_path / "dark" / names[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.asarray(Image.open(photographs / path)) // 4
        Image.fromarray(pixels).save(folder / path.replace("/", "-"))
    file = tmp_path / "dark.json"
    done = bakeoff(
        "evaluate", photo_study, f"folder:{tmp_path / 'dark'}",
        "--metric", "balanced_accuracy", "--json", file, "--report", tmp_path / "report", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content = json.loads(file.read_text("utf-8"))
    assert content["comparison"]["metric"] == content["changes"]["metric"] == "balanced_accuracy"
    assert content["comparison"]["num_images"] == 3 * 40
    for change, recipe in zip(content["changes"]["recipes"], content["comparison"]["recipes"], strict=True):
        assert change["after"] == pytest.approx(recipe["score"])
        assert change["before"] - change["after"] > 0.05  # darker ones are recognized less
    assert "Do the differences stay?" in done.stdout
    assert (tmp_path / "report/index.html").is_file()


def test_files_of_somebody_else_are_refused_before_images_are_read(photo_study, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/mine.toml").write_text('name = "mine"\n')
    for option, place in (("--json", "images/mine.toml"), ("--report", "images")):
        done = bakeoff("evaluate", photo_study, "folder:images", option, place, cwd=tmp_path)
        assert done.returncode == 2
        assert place in done.stderr
        assert [path.name for path in (tmp_path / "images").iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "data.image_size=64",
            r"data.image_size changes nothing here: .* those that do: data.class_names, data.groups",
        ),
        ("defaults.epochs=3", "defaults.epochs changes nothing here"),
        ("data.source=digits", "data.source changes nothing here"),
        ("data={fit='crop'}", "data changes nothing here"),
        ("data.groups=near_duplicates", "which is for training"),
    ],
)
def test_settings_without_effect_are_refused(photo_study, photographs, override, message):
    with pytest.raises(BakeoffError, match=message):
        evaluate(photo_study, f"splits:{photographs}", overrides=[override])


def test_images_of_a_class_that_the_models_do_not_know_are_refused(photo_study, tmp_path):
    for name in ("china1", "owl"):
        (tmp_path / "birds" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "birds" / name / "0.png")
    with pytest.raises(BakeoffError, match="the models do not know the classes 'owl'; they know 'china1', "):
        evaluate(photo_study, f"folder:{tmp_path / 'birds'}")


def test_recipes_without_a_model_are_left_out_and_named(tmp_path):
    study = study_from_toml(
        """
        name = "with-ridge"
        seeds = 1
        data = { source = "digits", image_size = 16, val_fraction = 0.1, test_fraction = 0.8 }
        defaults = { epochs = 1 }
        [recipes.ridge]
        trainer = { name = "sklearn", estimator = "sklearn.linear_model:RidgeClassifier" }
        [recipes.plain]
        """,
        "test",
    )
    run_study(study, tmp_path, engine=StackedEngine("cpu"), check=False)
    found = evaluate(tmp_path, "digits")
    assert [recipe.name for recipe in found.predictions.recipes] == ["plain"]
    assert found.notes[-1] == "Not tested on these images, because no trained model was kept: ridge."
    shutil.rmtree(tmp_path / "runs/plain")
    with pytest.raises(BakeoffError, match="ridge has no model to load"):
        evaluate(tmp_path, "digits")
