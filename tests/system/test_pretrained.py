"""Pretrained weights: those of one study in another, without which its models are used."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.system.commands import bakeoff

pytestmark = pytest.mark.slow

FIRST = """
name = "first"
seeds = 1
[data]
source = "digits"
image_size = 16
[recipes.plain]
epochs = 2
"""

WEIGHTS = "results/first/runs/plain/seed-0/best.safetensors"

SECOND = f"""
name = "second"
seeds = 2
[data]
source = "digits"
image_size = 24
[defaults]
epochs = 2
model = {{ name = "bakeoff.models:LeNet5", weights = "{WEIGHTS}" }}
[recipes.head]
model.freeze = "all_but_head"
[recipes.tuned]
model.freeze = ["features.0.*"]
model.head_lr_factor = 10
"""


@pytest.fixture(scope="module")
def trained(made_once) -> Path:
    def make(folder: Path) -> None:
        folder.mkdir()
        for name, content in {"first": FIRST, "second": SECOND}.items():
            (folder / f"{name}.toml").write_text(content)
            bakeoff("run", f"{name}.toml", folder=folder)

    return made_once("pretrained", make)


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def test_frozen_weights_keep_their_bytes_and_the_preprocessing_is_theirs(trained):
    before = load_file(trained / WEIGHTS)
    frozen = {"head": tuple(name for name in before if "classifier.5" not in name), "tuned": ("features.0.",)}
    for recipe, names in frozen.items():
        after = load_file(trained / f"results/second/runs/{recipe}/seed-1/best.safetensors")
        for name, tensor in before.items():
            same = after[f"model.{name}"].numpy().tobytes() == tensor.numpy().tobytes()
            assert same == name.startswith(names)
        assert after["size"] == 16
    digests = json.loads((trained / "results/second/environment.json").read_text())["weights"]
    assert list(digests) == [WEIGHTS]


def test_models_are_used_without_the_file(folder):
    shutil.rmtree(folder / "results/first")
    for recipe in ("head", "tuned"):
        said = bakeoff("export", "results/second", recipe, "--recipe", recipe, folder=folder)
        assert "ONNX Runtime and PyTorch differ by at most" in said
    bakeoff("report", "results/second", folder=folder)
    shutil.move(folder / "head/model.safetensors", folder / "exported.safetensors")
    chained = SECOND.replace(WEIGHTS, "exported.safetensors").replace("second", "third")
    (folder / "third.toml").write_text(chained)
    assert "finished" in bakeoff("run", "third.toml", "--seeds", "1", "--epochs", "1", folder=folder)


def test_an_edited_file_makes_another_run(folder):
    path = folder / WEIGHTS
    assert "4 runs already finished, 0 to do" in bakeoff("run", "second.toml", folder=folder)
    path.write_bytes(path.read_bytes()[:-4] + bytes(4))  # the last weight is 0
    said = bakeoff("run", "second.toml", folder=folder, fails=True)
    assert "pretrained weights whose file has changed since" in said
    path.unlink()
    said = bakeoff("run", "second.toml", folder=folder, fails=True)
    assert f"recipes.head: weights '{WEIGHTS}': there is no such file" in said
