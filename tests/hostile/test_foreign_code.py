"""A stranger's study folder is only data: code that it names, or that lies about, is not run unasked."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.digests import forget_digests

pytestmark = pytest.mark.slow  # real processes, one after another

SMALL = ["--seeds", "1", "--epochs", "1", "--no-check", "--jobs", "1"]
MODULE = """
from pathlib import Path
import layers
Path({marker!r}).write_text("was run")
class Net(layers.Base):
    pass
"""
LAYERS = """
from torch import nn
class Base(nn.Sequential):
    def __init__(self, num_classes, image_size):
        super().__init__(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes, bias={bias}))
"""


def bakeoff(*words, cwd, user="owner", expected=0, module=False):
    """Run a command as one of several users, each with a state folder of their own."""
    command = [sys.executable, "-m", "bakeoff"] if module else [str(Path(sys.executable).parent / "bakeoff")]
    done = subprocess.run(
        [*command, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "XDG_STATE_HOME": str(cwd / f"state of {user}")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def plain_study(tmp_path_factory):
    """A study folder of Bakeoff's own LeNet-5."""
    folder = tmp_path_factory.mktemp("plain")
    bakeoff("run", "quickstart", "--recipes", "lenet5", *SMALL, "--out", "study", cwd=folder)
    return folder / "study"


@pytest.fixture
def image(tmp_path):
    Image.fromarray(np.full((8, 8, 3), 128, np.uint8)).save(tmp_path / "image.png")
    return tmp_path / "image.png"


def write_own_model(folder, bias=True):
    marker = folder / "marker"
    (folder / "own_net.py").write_text(MODULE.format(marker=str(marker)))
    (folder / "layers.py").write_text(LAYERS.format(bias=bias))
    return marker


def run_own_model(folder, *more, **options):
    words = ["quickstart", "--recipes", "lenet5", "--set", "recipes.lenet5.model=own_net:Net", *SMALL]
    return bakeoff("run", *words, "--out", "study", *more, cwd=folder, **options)


def test_weights_that_name_another_model_than_the_study_are_refused(plain_study, tmp_path, image):
    marker = write_own_model(tmp_path)
    shutil.copytree(plain_study, tmp_path / "study")
    forget_digests(tmp_path / "study")
    (weights,) = (tmp_path / "study").rglob("best.safetensors")
    with safe_open(weights, "pt") as file:
        header = json.loads(file.metadata()["bakeoff"])
    header["settings"]["model"] = {"name": "own_net:Net"}
    save_file(load_file(weights), weights, {"bakeoff": json.dumps(header)})
    for words in (["predict", "study", image], ["export", "study", "model"]):
        for trusting in ([], ["--trust"]):
            said = bakeoff(*words, *trusting, cwd=tmp_path, expected=2)
            assert "other settings than study.toml says for lenet5" in said
    assert not marker.exists()


def test_somebody_elses_model_is_run_only_when_trusted(tmp_path, image):
    marker = write_own_model(tmp_path)
    run_own_model(tmp_path)
    marker.unlink()
    for words in (["predict", "study", image], ["export", "study", "model"]):
        said = bakeoff(*words, cwd=tmp_path, user="stranger", expected=2)
        assert "'own_net:Net', code that you have not run" in said
        assert str(tmp_path / "own_net.py") in said
        assert "recorded by the study: the same" in said
        assert "--trust" in said
    assert not marker.exists()
    bakeoff("predict", "study", image, cwd=tmp_path)  # its owner ran it
    assert marker.exists()
    bakeoff("predict", "study", image, "--trust", cwd=tmp_path, user="stranger")

    # A changed file is other code, its owner's or not; both digests are shown.
    (tmp_path / "layers.py").write_text(LAYERS.format(bias=True) + "# changed\n")
    marker.unlink()
    said = bakeoff("predict", "study", image, cwd=tmp_path, expected=2)
    recorded = json.loads((tmp_path / "study" / "environment.json").read_text())["own_code"]["own_net:Net"]
    assert f"recorded by the study: '{recorded}'" in said
    assert not marker.exists()


def test_an_edited_helper_of_a_model_makes_another_run(tmp_path):
    write_own_model(tmp_path)
    run_own_model(tmp_path)
    (tmp_path / "layers.py").write_text(LAYERS.format(bias=False))
    said = run_own_model(tmp_path, "--seeds", "2", expected=2)
    assert "lenet5, seed 0" in said
    assert "whose file has changed since" in said


SHADOWS = ("statistics", "copy", "safetensors", "random", "json", "numpy", "torch", "rich", "lenet5")


@pytest.mark.parametrize("module", [False, True], ids=["bakeoff", "python -m bakeoff"])
def test_files_in_the_current_folder_are_not_taken_for_libraries(plain_study, tmp_path, image, module):
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(
            "import os\nos.close(os.open(__file__ + '.was-run', os.O_CREAT))\nraise SystemExit(5)\n"
        )
    shutil.copytree(plain_study, tmp_path / "study")
    for words in (
        ["run", "quickstart", "--recipes", "lenet5", *SMALL, "--out", "new"],
        ["predict", "study", image],
        ["export", "study", "model"],
        ["report", "study"],
    ):
        bakeoff(*words, cwd=tmp_path, module=module)
    assert not list(tmp_path.glob("*.was-run"))


def test_a_model_beside_such_files_is_found_behind_the_libraries(tmp_path):
    marker = write_own_model(tmp_path)
    (tmp_path / "statistics.py").write_text("raise SystemExit(5)\n")
    run_own_model(tmp_path)
    assert marker.exists()
