"""Runs that do not belong together never meet: the command says what differs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.digests import forget_digests

pytestmark = pytest.mark.slow  # real processes, one after another

BAKEOFF = str(Path(sys.executable).with_name("bakeoff"))
MODEL = """
from torch import nn
class Linear(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))
    def forward(self, images):
        return self.layers(images)
"""


def bakeoff(*words, cwd, code=0):
    environment = {**os.environ, "COLUMNS": "1000"}
    done = subprocess.run(
        [BAKEOFF, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of one run, with a model in the user's own file."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "nets.py").write_text(MODEL)
    (folder / "mine.toml").write_text(
        'name = "mine"\nseeds = 1\n[data]\nimage_size = 16\n'
        '[recipes.linear]\nepochs = 1\nmodel = "nets:Linear"\n'
    )
    bakeoff("run", "mine.toml", "--out", "study", cwd=folder)
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def contents(folder):
    return {path: path.read_bytes() for path in (folder / "study/runs").rglob("*") if path.is_file()}


def test_runs_of_another_version_of_the_training_code_are_not_continued(folder):
    forget_digests(folder / "study")
    path = folder / "study/runs/linear/seed-0/predictions.npz"
    with np.load(path) as arrays:
        whole = dict(arrays)
    np.savez(path, **whole | {"identity": np.array("what another version makes of the same settings")})
    before = contents(folder)
    done = bakeoff("run", "mine.toml", "--out", "study", cwd=folder, code=2)
    assert "study contains runs of another version of the training code" in done.stderr
    assert "linear, seed 0" in done.stderr
    assert "choose another folder, or delete this one" in done.stderr
    assert "--out DIR" in done.stderr
    assert contents(folder) == before


def test_runs_of_a_model_whose_file_has_changed_are_not_continued(folder):
    assert "1 of 1 run already finished" in bakeoff("run", "mine.toml", "--out", "study", cwd=folder).stdout
    (folder / "nets.py").write_text(MODEL + "# another\n")
    before = contents(folder)
    done = bakeoff("run", "mine.toml", "--out", "study", cwd=folder, code=2)
    assert "whose file has changed since" in done.stderr
    assert contents(folder) == before


def test_runs_on_other_images_are_not_continued(folder):
    before = contents(folder)
    words = ["run", "mine.toml", "--set", "data.split_seed=1", "--out", "study"]
    done = bakeoff(*words, cwd=folder, code=2)
    assert "data: the folder was made from 'digits' with other images, labels or splits" in done.stderr
    assert contents(folder) == before


@pytest.fixture
def leaky(tmp_path):
    """Class folders in which a test image is a training image too, under another label."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        for name in "ab":
            (tmp_path / "my images" / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "my images" / split / name / f"{index}.png")
    shutil.copy(tmp_path / "my images/train/a/0.png", tmp_path / "my images/test/b/leak.png")
    return tmp_path


def test_images_are_checked_before_a_study_unless_told_not_to(leaky):
    words = ["run", "quickstart", "--data", "folder:my images", "--recipes", "lenet5", "--seeds", "1"]
    words += ["--epochs", "1", "--set", "data.image_size=16"]
    unchecked = bakeoff(*words, "--no-check", "--out", "unchecked", cwd=leaky)
    assert "identical" not in unchecked.stdout
    assert not (leaky / "unchecked/audit.json").exists()
    done = bakeoff(*words, "--out", "checked", cwd=leaky)
    assert "leak: 1 test image is identical to an image of train." in done.stdout
    assert "conflict: " in done.stdout
    assert "run `bakeoff data check 'folder:my images'` for details" in done.stdout
    page = (leaky / "checked/report/index.html").read_text()
    assert page.index("test/b/leak.png") < page.index('<section id="comparison"')
    assert "leak.png" not in (leaky / "unchecked/report/index.html").read_text().partition("<section")[0]
    assert bakeoff("data", "check", "folder:my images", cwd=leaky, code=1).stdout.startswith("leak: ")
