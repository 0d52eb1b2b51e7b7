"""Predicting with the models of a real study: the same answers as evaluation stored, whatever comes along."""

import csv
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bakeoff.data import decode_image
from bakeoff.errors import BakeoffError
from bakeoff.predict.ensemble import load_ensemble
from bakeoff.predict.files import ImagePrediction, UnreadableImage, predict
from bakeoff.predict.model import load_model

RECIPES = ("lenet5", "lenet5_batch_norm")


def bakeoff(*words, cwd, **variables):
    environment = {**os.environ, "COLUMNS": "100", **variables}
    return subprocess.run(
        [sys.executable, "-m", "bakeoff", *map(str, words)],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def stored(study: Path, recipe: str, seed: int) -> dict[str, np.ndarray]:
    with np.load(study / f"runs/{recipe}/seed-{seed}/predictions.npz") as arrays:
        return dict(arrays)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def softmax(logits):
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def split_files(photo_study, photographs) -> list[Path]:
    """In the order of the test split."""
    return [photographs / name for name in stored(photo_study, "lenet5", 0)["test_ids"]]


@pytest.fixture(scope="module")
def split_images(split_files):
    return np.stack([decode_image(file, 32) for file in split_files])


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_loaded_model_gives_the_stored_logits_bit_for_bit(photo_study, split_images, recipe, seed):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        logits = load_model(photo_study, recipe, seed).logits(split_images)
    finally:
        torch.set_num_threads(threads)
    expected = stored(photo_study, recipe, seed)["test_logits"]
    assert logits.dtype == expected.dtype
    assert logits.tobytes() == expected.tobytes()


@pytest.mark.parametrize("recipe", RECIPES)
def test_prediction_of_the_test_files_is_the_softmax_of_the_stored_logits(photo_study, split_files, recipe):
    found = list(predict(photo_study, split_files, recipe=recipe, seeds=[1]))
    arrays = stored(photo_study, recipe, 1)
    probabilities = np.stack([outcome.probabilities for outcome in found])
    # exp and the division round in the last digit of float64; two logits that differ are 1e-7 apart.
    np.testing.assert_allclose(probabilities, softmax(arrays["test_logits"]), rtol=1e-13)
    predicted = [arrays["class_names"].tolist().index(outcome.class_name) for outcome in found]
    assert predicted == arrays["test_logits"].argmax(1).tolist()
    assert [outcome.image for outcome in found] == split_files


def test_the_ensemble_averages_probabilities_and_counts_the_seeds_that_agree(photo_study, split_files):
    found = list(predict(photo_study, split_files, recipe="lenet5"))
    each = np.stack([softmax(stored(photo_study, "lenet5", seed)["test_logits"]) for seed in (0, 1)])
    mean = (each[0] + each[1]) / 2
    np.testing.assert_allclose([outcome.probabilities for outcome in found], mean, rtol=1e-12)
    np.testing.assert_allclose([outcome.probability for outcome in found], mean.max(1), rtol=1e-12)
    agreement = (each.argmax(2) == mean.argmax(1)).sum(0).tolist()
    assert [outcome.agreement for outcome in found] == agreement
    assert {1, 2} <= set(agreement)


def test_an_image_alone_gets_what_it_gets_among_others(photo_study, split_files):
    expected = softmax(stored(photo_study, "lenet5_batch_norm", 0)["test_logits"])
    for index in (0, 277, 399):
        (alone,) = predict(photo_study, [split_files[index]], recipe="lenet5_batch_norm", seeds=[0])
        np.testing.assert_allclose(alone.probabilities, expected[index], atol=1e-6)


def test_an_endless_list_of_files_is_read_as_it_goes(photo_study, split_files):
    endless = predict(photo_study, itertools.cycle(split_files[:3]), seeds=[0])
    first = list(itertools.islice(endless, 1300))
    endless.close()
    assert [outcome.image for outcome in first] == (split_files[:3] * 434)[:1300]
    assert first[0].probability == pytest.approx(first[1299].probability)


def test_threads_of_the_caller_are_left_as_they_were(photo_study, split_files):
    before = torch.get_num_threads()
    list(predict(photo_study, split_files[:3]))
    assert torch.get_num_threads() == before


@pytest.fixture
def mixed(tmp_path, split_files) -> Path:
    """A folder of two good images, among much that is none."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(split_files[0], folder / "a good.png")
    (folder / "b empty.png").touch()
    (folder / "c text.jpg").write_text("no image")
    (folder / "d cut.png").write_bytes(split_files[1].read_bytes()[:-900])
    os.mkfifo(folder / "e pipe.png")
    (folder / "f broken link.png").symlink_to("nowhere")
    Image.fromarray(np.full((40, 60), 60000, np.uint16)).save(folder / "g grey.png")
    (folder / "loop").symlink_to(folder)
    return folder


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(photo_study, mixed, tmp_path):
    found = list(predict(photo_study, [mixed, tmp_path / "missing.png"]))
    assert [outcome.image.name for outcome in found if isinstance(outcome, ImagePrediction)] == [
        "a good.png", "g grey.png"
    ]  # fmt: skip
    reasons = {o.image.name: o.reason for o in found if isinstance(o, UnreadableImage)}
    assert reasons.pop("d cut.png")
    assert reasons == {
        "b empty.png": "the file is empty",
        "c text.jpg": "not an image of a known format",
        "e pipe.png": "not a regular file",
        "f broken link.png": "no such file or folder",
        "missing.png": "no such file or folder",
    }


def test_the_command_writes_csv_and_json_and_exits_with_1(photo_study, mixed, tmp_path):
    words = ["predict", photo_study, mixed, "--recipe", "lenet5", "--csv", "out/p.csv", "--json", "p.json"]
    done = bakeoff(*words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Recipe lenet5: as asked for. Mean of the probabilities of 2 seeds (0, 1)." in done.stdout
    assert "5 images could not be read:" in done.stderr
    assert "b empty.png: the file is empty" in done.stderr
    rows = read_csv(tmp_path / "out/p.csv")
    content = json.loads((tmp_path / "p.json").read_text("utf-8"))
    expected = list(predict(photo_study, [mixed], recipe="lenet5"))
    assert len(rows) == len(content["images"]) == len(expected) == 7
    assert (content["recipe"], content["seeds"]) == ("lenet5", [0, 1])
    for row, entry, outcome in zip(rows, content["images"], expected, strict=True):
        assert row["image"] == entry["image"] == str(outcome.image)
        if isinstance(outcome, UnreadableImage):
            assert row["problem"] == entry["problem"] == outcome.reason
            assert row["class"] == row["p_china3"] == ""
            continue
        assert row["class"] == entry["class"] == outcome.class_name
        assert (
            float(row["probability"]) == entry["probability"] == pytest.approx(outcome.probability, rel=1e-5)
        )
        assert int(row["agreement"]) == entry["agreement"] == outcome.agreement
        columns = [float(row[f"p_{name}"]) for name in content["class_names"]]
        assert columns == entry["probabilities"] == pytest.approx(outcome.probabilities, rel=1e-5)
        assert row["seeds"] == "2"


def test_names_cannot_act_on_the_terminal_or_in_a_spreadsheet(photo_study, tmp_path, split_files):
    folder = tmp_path / "=images"
    folder.mkdir()
    names = [b"red \x1b[31m.png", b"line\nbreak.png", b"latin \xe9.png", "right \u202e left.png".encode()]
    for name in names:
        shutil.copy(split_files[0], folder / os.fsdecode(name))
    done = bakeoff("predict", photo_study, "=images", "--csv", "p.csv", cwd=tmp_path, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    for shown in ("red \\x1b[31m.png", "line\\nbreak.png", "latin \\xe9.png", "right \\u202e left.png"):
        assert f"=images/{shown}" in done.stdout
    rows = read_csv(tmp_path / "p.csv")
    assert len(rows) == 4
    assert all(row["image"].startswith("'=images/") for row in rows)


def test_a_long_list_is_shown_in_part_with_counts_of_all(photo_study, photographs, tmp_path, split_files):
    words = [file.relative_to(photographs) for file in split_files]
    done = bakeoff("predict", photo_study, *words, "--seed", "1", cwd=photographs)
    assert done.returncode == 0, done.stderr
    assert "The first 20 of 400 images are shown; --csv FILE or --json FILE writes all." in done.stdout
    table, counts = done.stdout.split("The first 20")
    assert str(words[19]) in table
    assert str(words[20]) not in table
    assert sum(int(line.split()[1]) for line in counts.splitlines()[3:]) == 400


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "lenet6"], "has no recipe 'lenet6'; there are lenet5, lenet5_batch_norm"),
        (["--seed", "7"], "has no finished run with seed 7; it has 0, 1"),
        (["--csv", "."], "it is a folder"),
        (["--csv", "same", "--json", "same"], "both name same"),
    ],
)
def test_mistakes_are_told_in_a_line(photo_study, tmp_path, split_files, words, message):
    done = bakeoff("predict", photo_study, split_files[0], *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_without_images_is_a_mistake_and_leaves_no_file(photo_study, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/readme.txt").write_text("nothing here")
    done = bakeoff("predict", photo_study, "notes", "--csv", "p.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "no image in notes" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_what_is_no_study_folder_is_told(tmp_path):
    with pytest.raises(BakeoffError, match="is not a study folder"):
        predict(tmp_path, [tmp_path])


def test_swapped_weights_are_noticed(photo_study, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(photo_study, study, ignore=shutil.ignore_patterns("report", "tensorboard"))
    weights = study / "runs/lenet5/seed-0/best.safetensors"
    content = bytearray(weights.read_bytes())
    content[-200:] = bytes(200)
    weights.write_bytes(content)
    with pytest.raises(BakeoffError, match="lenet5, seed 0, does not give the logits that are stored"):
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


OWN_MODEL = """
from torch import nn

class Small(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.layers = nn.Sequential(
            nn.AvgPool2d(4), nn.Flatten(), nn.Linear(3 * (image_size // 4) ** 2, 20), nn.{activation}(),
            nn.Linear(20, num_classes),
        )

    def forward(self, images):
        return self.layers(images)
"""


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
    changed = bakeoff("predict", "study", split_files[0], cwd=tmp_path)
    assert changed.returncode == 2
    assert "does not give the logits that are stored for its test images" in changed.stderr
    elsewhere = bakeoff("predict", tmp_path / "study", split_files[0], cwd=tmp_path / "study")
    assert elsewhere.returncode == 2
    assert "cannot import 'mine'" in elsewhere.stderr
