"""The other test images of a study: tested once, at its end, by every finished run."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tests.in_process import bakeoff
from tests.predict.trained import stored

from bakeoff import open_result
from bakeoff.predict.evaluate import evaluate
from bakeoff.predict.other_images import predict_others
from bakeoff.store import lock_folder

RECIPES = ("lenet5", "lenet5_batch_norm")


@pytest.fixture
def folder(photographs, tmp_path):
    """60 darker test images in class folders, and two training images as they are."""
    names = (photographs / "class_names.txt").read_text().split()
    lines = [line.split() for line in (photographs / "splits/test.txt").read_text().splitlines()]
    (tmp_path / "dark").mkdir()
    for path, label in lines[:60]:
        target = tmp_path / "dark" / names[int(label)]
        target.mkdir(exist_ok=True)
        pixels = np.asarray(Image.open(photographs / path)) // 3
        Image.fromarray(pixels).save(target / path.replace("/", "-"))
    for line in (photographs / "splits/train.txt").read_text().splitlines()[:2]:
        path, label = line.split()
        target = tmp_path / "dark" / names[int(label)]
        target.mkdir(exist_ok=True)
        shutil.copy(photographs / path, target / "known.png")
    return tmp_path / "dark"


@pytest.fixture
def tested(photo_study, photographs, folder, tmp_path):
    """Run a copy of the study once more, with other images in its file; returns the finished command."""
    shutil.copytree(photo_study, tmp_path / "study")

    def run(tests, *options):
        text = (photo_study / "study.toml").read_text("utf-8")
        (tmp_path / "my.toml").write_text(text + tests, "utf-8")
        return bakeoff("run", "my.toml", "--no-check", "--out", "study", *options, cwd=tmp_path)

    return run


DARK = '\n[tests.dark]\nsource = "folder:dark"\n'
SAME = "\n[tests.same]\nsource = {!r}\n"


def test_every_run_is_tested_once_and_the_images_are_not_read_again(tested, folder, photographs, tmp_path):
    done = tested(DARK + SAME.format(f"splits:{photographs}"))
    assert done.returncode == 0, done.stderr
    assert "On dark (62 images of folder:dark):" in done.stdout
    assert "Of the 62 images, 2 are identical to training or validation images" in " ".join(
        done.stdout.split()
    )
    study = tmp_path / "study"
    for recipe in RECIPES:  # the same images give the same logits as at the end of the run
        for seed in (0, 1):
            with np.load(study / f"tests/same/{recipe}/seed-{seed}/predictions.npz") as arrays:
                np.testing.assert_allclose(
                    arrays["logits"], stored(study, recipe, seed)["test_logits"], rtol=1e-5, atol=1e-5
                )
    summary = json.loads((study / "report/summary.json").read_text("utf-8"))
    dark, same = summary["tests"]
    assert (dark["name"], dark["source"]) == ("dark", "folder:dark")
    assert [change["change"] for change in same["changes"]["recipes"]] == [0.0, 0.0]
    page = (study / "report/index.html").read_text("utf-8")
    assert 'id="other-images"' in page
    assert "for all pairs of all these sets together" in page

    alone = evaluate(study, f"folder:{folder}")
    (pair,), (with_others,) = alone.comparison.pairs, open_result(study).tests["dark"].comparison.pairs
    assert (with_others.difference, with_others.p) == (pair.difference, pair.p)
    other = same["comparison"]["pairs"][0]["p"]
    holm = min(2 * pair.p, 1.0) if pair.p <= other else max(pair.p, min(2 * other, 1.0))
    assert with_others.p_holm == pytest.approx(holm)
    assert alone.notes == open_result(study).tests["dark"].notes

    shutil.rmtree(folder)
    assert bakeoff("verify", "study", cwd=tmp_path).returncode == 0
    assert bakeoff("report", "study", cwd=tmp_path).returncode == 0


def test_changed_images_and_changed_predictions_are_refused(tested, folder, tmp_path):
    assert tested(DARK).returncode == 0
    next(folder.rglob("*-*.png")).unlink()
    assert tested(DARK).returncode == 0  # nothing is missing, so nothing is read
    shutil.rmtree(tmp_path / "study/tests/dark/lenet5/seed-1")
    done = tested(DARK)
    assert done.returncode == 2
    assert "tests.dark: folder:dark gives other images or labels now (61 images)" in " ".join(
        done.stderr.split()
    )
    path = tmp_path / "study/tests/dark/lenet5/seed-0/predictions.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for command in ("report", "verify"):
        done = bakeoff(command, "study", cwd=tmp_path)
        assert done.returncode in (1, 2)
        assert "has changed since it was written" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ('[tests.a]\nsource = "folder:nowhere"', "tests.a: no folder nowhere"),
        ("[tests.a]\nsource = 'folder:birds'", "tests.a: folder:birds: the models do not know the classes"),
        ("[tests.a]\nsuorce = 'digits'", "did you mean 'source'"),
        ("[tests.a]\nsource = 'digits'\ngroups = '('", "not a regular expression"),
    ],
)
def test_what_cannot_be_tested_on_is_refused_before_anything_is_trained(tested, tests, message, tmp_path):
    (tmp_path / "birds/owl").mkdir(parents=True)
    (tmp_path / "birds/crow").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "birds/owl/0.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "birds/crow/0.png")
    done = tested(f"\n{tests}\n", "--seeds", "3")
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "study/runs/lenet5/seed-2").exists()


def test_a_study_folder_in_use_is_waited_for_and_that_is_said(photo_study, tmp_path):
    study = shutil.copytree(photo_study, tmp_path / "study")
    in_use, free = lock_folder(study), []
    in_use.__enter__()

    def waiting(text):
        free.append(text)
        in_use.__exit__(None, None, None)

    predict_others(study, on_wait=waiting)
    assert [text.split(" is in use by ")[0] for text in free] == [str(study)]
