"""ONNX Runtime against PyTorch, on real images."""

import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from tests.export.chosen import chosen_run
from tests.predict.trained import OWN_MODEL, bakeoff, softmax, stored

from bakeoff.predict.model import load_model


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


def test_without_the_extra_it_says_how_to_install_it(photo_study, tmp_path):
    code = (
        # None is Python's own way to say: not there.
        "import sys; sys.modules |= dict.fromkeys(['onnx', 'onnxruntime', 'onnxscript'])\n"
        f"sys.argv = ['bakeoff', 'export', {str(photo_study)!r}, 'new']\n"
        "from bakeoff.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: export needs onnx, onnxruntime and onnxscript; "
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
