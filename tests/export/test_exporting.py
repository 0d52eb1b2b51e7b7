"""The exported folder: complete or absent."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from tests.export.chosen import chosen_run
from tests.in_process import bakeoff
from tests.predict.trained import stored

from bakeoff.predict.model import load_model

FILES = {"model.onnx", "model.safetensors", "study.toml", "README.md"}


def best_seed(study: Path, recipe: str) -> int:
    def val_accuracy(seed: int) -> float:
        arrays = stored(study, recipe, seed)
        return float((arrays["val_logits"].argmax(1) == arrays["val_labels"]).mean())

    return max((0, 1), key=val_accuracy)


def test_the_folder_holds_four_files_and_the_seed_is_the_best_on_val(exported, photo_study):
    folder, one, _ = exported
    assert {path.name for path in (folder / "one").iterdir()} == FILES
    assert {path.name for path in (folder / "new/both").iterdir()} == FILES
    assert {path.name for path in folder.iterdir()} == {"one", "new"}
    recipe, seed = chosen_run(one.stdout)
    assert seed == best_seed(photo_study, recipe)
    assert "exported to one: model.onnx, model.safetensors, study.toml, README.md" in one.stdout


def test_the_weights_are_those_of_the_run_with_all_settings(exported, photo_study):
    folder, one, _ = exported
    recipe, seed = chosen_run(one.stdout)
    kept = photo_study / f"runs/{recipe}/seed-{seed}/best.safetensors"
    assert (folder / "one/model.safetensors").read_bytes() == kept.read_bytes()
    with safe_open(folder / "new/both/model.safetensors", "np") as file:
        header = json.loads(file.metadata()["bakeoff"])
        names = set(file.keys())
        for number in (0, 1):
            weights = load_model(photo_study, "lenet5_batch_norm", number).model.state_dict()
            for name, value in weights.items():
                np.testing.assert_array_equal(file.get_tensor(f"seed-{number}.{name}"), value.numpy())
                names.remove(f"seed-{number}.{name}")
    assert not names
    assert (header["seeds"], header["recipe"]) == ([0, 1], "lenet5_batch_norm")
    assert "seed" not in header


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["full"], "full is not empty"),
        (["full/file"], "full/file is a file"),
        (["full/file/below"], "cannot write full/file/below"),
        (["new", "--recipe", "resnet"], "has no recipe 'resnet'"),
        (["new", "--seed", "5"], "has no finished run with seed 5"),
        (["new", "--seed", "1", "--ensemble"], "found both a seed and the ensemble"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(photo_study, tmp_path, words, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("precious")
    done = bakeoff("export", photo_study, *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "file"]
    assert (tmp_path / "full/file").read_text() == "precious"
