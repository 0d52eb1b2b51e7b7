"""Exports of a real study: ONNX Runtime and safetensors against PyTorch, the card against the results."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors import safe_open
from sklearn.metrics import confusion_matrix
from statsmodels.stats.proportion import proportion_confint
from tests.predict.test_files import OWN_MODEL, bakeoff, softmax, stored

from bakeoff.data import decode_image
from bakeoff.export.model_card import plain
from bakeoff.predict.model import load_model

FILES = {"model.onnx", "model.safetensors", "study.toml", "README.md"}


@pytest.fixture(scope="module")
def exported(photo_study, tmp_path_factory):
    """One run by default settings, and the ensemble of a recipe."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "one").mkdir()
    one = bakeoff("export", photo_study, "one", cwd=folder, PYTHONWARNINGS="error::DeprecationWarning")
    words = ["--recipe", "lenet5_batch_norm", "--ensemble"]
    both = bakeoff("export", photo_study, "new/both", *words, cwd=folder)
    for done in (one, both):
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
    return folder, one, both


@pytest.fixture(scope="module")
def images(photo_study, photographs):
    ids = stored(photo_study, "lenet5", 0)["test_ids"]
    return np.stack([decode_image(photographs / name, 32) for name in ids])


def best_seed(study: Path, recipe: str) -> int:
    def val_accuracy(seed: int) -> float:
        arrays = stored(study, recipe, seed)
        return float((arrays["val_logits"].argmax(1) == arrays["val_labels"]).mean())

    return max((0, 1), key=val_accuracy)


def chosen_run(words: str) -> tuple[str, int]:
    found = re.search(r"Recipe (\w+): .* Seed (\d), of 2 the one with the highest validation accuracy", words)
    assert found
    return found[1], int(found[2])


def test_the_folder_holds_four_files_and_the_seed_is_the_best_on_val(exported, photo_study):
    folder, one, _ = exported
    assert {path.name for path in (folder / "one").iterdir()} == FILES
    assert {path.name for path in (folder / "new/both").iterdir()} == FILES
    assert {path.name for path in folder.iterdir()} == {"one", "new"}
    recipe, seed = chosen_run(one.stdout)
    assert seed == best_seed(photo_study, recipe)
    assert "exported to one: model.onnx, model.safetensors, study.toml, README.md" in one.stdout


def test_onnx_gives_the_stored_logits_of_all_test_images_in_any_batch(exported, photo_study, images):
    folder, one, _ = exported
    session = onnxruntime.InferenceSession(folder / "one/model.onnx")
    expected = stored(photo_study, *chosen_run(one.stdout))["test_logits"]
    for batch in (1, 3, 250, 400):
        logits, probabilities = session.run(["logits", "probabilities"], {"images": images[:batch]})
        np.testing.assert_allclose(logits, expected[:batch], atol=1e-5 * np.abs(expected).max())
        np.testing.assert_allclose(probabilities, softmax(expected[:batch]), atol=1e-5)


def test_the_ensemble_gives_the_mean_of_the_probabilities(exported, photo_study, images):
    folder, _, _ = exported
    session = onnxruntime.InferenceSession(folder / "new/both/model.onnx")
    logits, probabilities = session.run(["logits", "probabilities"], {"images": images})
    runs = [stored(photo_study, "lenet5_batch_norm", seed)["test_logits"] for seed in (0, 1)]
    np.testing.assert_allclose(probabilities, (softmax(runs[0]) + softmax(runs[1])) / 2, atol=1e-5)
    np.testing.assert_allclose(softmax(logits), probabilities, atol=1e-6)


def test_the_onnx_file_says_what_it_takes_and_holds_no_path_of_the_machine(exported, photo_study):
    folder, one, _ = exported
    recipe, seed = chosen_run(one.stdout)
    content = (folder / "one/model.onnx").read_bytes()
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [(part.domain, part.version) for part in model.opset_import] == [("", 23)]
    (entry,) = onnxruntime.InferenceSession(content).get_inputs()
    assert (entry.name, entry.type, entry.shape) == ("images", "tensor(uint8)", ["batch", 32, 32, 3])
    properties = {entry.key: entry.value for entry in model.metadata_props}
    data = json.loads((photo_study / "data.json").read_text())
    assert json.loads(properties["class_names"]) == data["class_names"]
    assert json.loads(properties["mean"]) == data["mean"]
    assert (properties["recipe"], json.loads(properties["seeds"])) == (recipe, [seed])
    assert properties["image_size"] == "32"
    for trace in (b".py", b"site-packages", b"/src/", b"stack_trace"):
        assert trace not in content


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


def rows(card: str, heading: str) -> list[list[str]]:
    """The cells of the last table below a heading."""
    table = card.split(f"## {heading}\n")[1].split("\n## ")[0].strip().split("\n\n")[-1].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_the_card_says_what_was_measured(exported, photo_study):
    folder, one, _ = exported
    card = (folder / "one/README.md").read_text("utf-8")
    arrays = stored(photo_study, *chosen_run(one.stdout))
    predicted, labels = arrays["test_logits"].argmax(1), arrays["test_labels"]
    num_right = int((predicted == labels).sum())
    low, high = proportion_confint(num_right, 400, method="wilson")
    accuracy = num_right / 400
    assert f"| this model | {100 * accuracy:.1f} | {100 * low:.1f} to {100 * high:.1f} |" in card, card
    matrix = confusion_matrix(labels, predicted)
    names = arrays["class_names"].tolist()
    classes = rows(card, "Accuracy")
    assert [row[0] for row in classes] == names
    assert [row[2] for row in classes] == [f"{100 * matrix[k, k] / 40:.1f}" for k in range(10)]
    confusions = rows(card, "Known confusions")
    assert len(confusions) == 10
    for true, taken, count, *_ in confusions:
        assert int(count) == matrix[names.index(true), names.index(taken)]
    for name in ("model.onnx", "model.safetensors", "study.toml"):
        assert hashlib.sha256((folder / "one" / name).read_bytes()).hexdigest() in card
    assert "The images were not checked for duplicates and leaks." in card
    data = json.loads((photo_study / "data.json").read_text())
    assert data["fingerprint"] in card


def test_the_card_of_an_ensemble_speaks_of_all_its_models(exported, photo_study):
    folder, _, _ = exported
    card = (folder / "new/both/README.md").read_text("utf-8")
    runs = [stored(photo_study, "lenet5_batch_norm", seed) for seed in (0, 1)]
    mean = sum(softmax(arrays["test_logits"]) for arrays in runs)
    share = (mean.argmax(1) == runs[0]["test_labels"]).mean()
    assert f"| these models together | {100 * share:.1f} |" in card
    assert "the mean of 2 models of 62,458 parameters each, trained with the\nseeds 0, 1." in card


def test_the_code_on_the_card_runs_as_it_stands(exported, photo_study, photographs, tmp_path):
    folder, one, _ = exported
    recipe, seed = chosen_run(one.stdout)
    arrays = stored(photo_study, recipe, seed)
    code = re.search(r"```python\n(.*?)```", (folder / "one/README.md").read_text("utf-8"), re.DOTALL)
    assert code
    shutil.copy(folder / "one/model.onnx", tmp_path)
    shutil.copy(photographs / arrays["test_ids"][5], tmp_path / "image.png")
    done = subprocess.run(
        [sys.executable, "-c", code[1]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    name, probability = done.stdout.rsplit(maxsplit=1)
    expected = softmax(arrays["test_logits"][5:6])[0]
    assert name == arrays["class_names"][expected.argmax()]
    assert float(probability) == pytest.approx(expected.max(), abs=1e-5)


@pytest.mark.slow
def test_the_commands_on_the_card_give_the_same_model_again(exported, photographs, tmp_path):
    folder, _, _ = exported
    card = (folder / "one/README.md").read_text("utf-8")
    commands = re.findall(r"^\$ bakeoff (.*)$", card, re.MULTILINE)
    assert len(commands) == 2
    shutil.copy(folder / "one/study.toml", tmp_path)
    for command in commands:
        done = bakeoff(*command.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "model.onnx"):
        assert (tmp_path / "exported" / name).read_bytes() == (folder / "one" / name).read_bytes()


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


def test_without_the_extra_it_says_how_to_install_it(photo_study, tmp_path):
    code = (
        "import sys; sys.modules['onnxscript'] = None\n"  # Python's own way to say: not there
        f"sys.argv = ['bakeoff', 'export', {str(photo_study)!r}, 'new']\n"
        "from bakeoff.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: export needs onnxscript; "
        "in a copy of the repository: pip install -c constraints.txt '.[export]'\n"
    )


@pytest.mark.slow
def test_a_model_of_the_users_own_and_images_larger_than_the_folder_keeps(tmp_path):
    (tmp_path / "mine.py").write_text(OWN_MODEL.replace("{activation}", "GELU"))
    words = ["quickstart", "--seeds", "1", "--epochs", "1", "--recipes", "lenet5", "--no-check"]
    settings = ["--set", "recipes.lenet5.model.name=mine:Small", "--set", "data.image_size=80"]
    assert bakeoff("run", *words, *settings, "--out", "study", cwd=tmp_path).returncode == 0
    done = bakeoff("export", "study", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    session = onnxruntime.InferenceSession(tmp_path / "out/model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 80, 80, 3), np.uint8)
    (logits,) = session.run(["logits"], {"images": pixels})
    sys.path.insert(0, str(tmp_path))
    try:
        expected = load_model(tmp_path / "study", "lenet5", 0).logits(pixels)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("mine", None)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.slow
def test_averaging_over_the_mirror_image_goes_along(tmp_path):
    words = ["quickstart", "--seeds", "1", "--epochs", "2", "--recipes", "lenet5", "--no-check"]
    settings = ["test_time_augmentation=horizontal_flip", "ema_decay=0.9", "model.name=resnet"]
    sets = [word for setting in settings for word in ("--set", f"recipes.lenet5.{setting}")]
    done = bakeoff("run", *words, *sets, "--out", "study", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = bakeoff("export", "study", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "study/test_images.npz") as arrays:
        pixels = arrays["images"]
    session = onnxruntime.InferenceSession(tmp_path / "out/model.onnx")
    (logits,) = session.run(["logits"], {"images": pixels})
    expected = stored(tmp_path / "study", "lenet5", 0)["test_logits"]
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max())
    (mirrored,) = session.run(["logits"], {"images": pixels[:, :, ::-1]})
    np.testing.assert_allclose(mirrored, logits, atol=1e-5 * np.abs(expected).max())


@pytest.mark.slow
def test_a_model_that_cannot_be_exported_is_told(tmp_path):
    model = OWN_MODEL.replace("{activation}", "ReLU").replace(
        "return self.layers(images)",
        "images = images * float(images.std().item() > 0) if images.mean().item() > -9 else images\n"
        "        return self.layers(images)",
    )
    (tmp_path / "mine.py").write_text(model)
    words = ["quickstart", "--seeds", "1", "--epochs", "1", "--recipes", "lenet5", "--no-check"]
    settings = ["--set", "recipes.lenet5.model.name=mine:Small"]
    assert bakeoff("run", *words, *settings, "--out", "study", cwd=tmp_path).returncode == 0
    done = bakeoff("export", "study", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "model 'mine:Small' cannot be exported to ONNX" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_names_on_the_card_are_shown_as_they_are():
    assert plain("a|b <script> `c` *d* [e](f) g_h\n$x$ \x1b[0m") == (
        r"a\|b \<script\> \`c\` \*d\* \[e\](f) g\_h\\n\$x\$ \\x1b\[0m"
    )
