"""A study of gray images with one channel, from files to report, prediction and exported model."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tests.predict.trained import softmax, stored

import bakeoff
from bakeoff.export import export
from bakeoff.predict.files import predict

pytestmark = pytest.mark.slow

STUDY = """
name = "gray"
seeds = 1
[data]
channels = "grey"
image_size = 20
[defaults]
epochs = 1
[recipes.lenet5]
[recipes.changed]
model = { name = "resnet", widths = [4], blocks = [1] }
[recipes.changed.augmentation]
random_crop_padding = 2
horizontal_flip = true
random_zoom = 0.1
random_erasing = 0.5
mixup = 0.2
jitter_brightness = 0.2
jitter_contrast = 0.2
jitter_saturation = 0.2
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study of stripes: most of them gray, some in color."""
    root = tmp_path_factory.mktemp("gray")
    rng = np.random.default_rng(0)
    for label, name in enumerate(("across", "along")):
        (root / "images" / name).mkdir(parents=True)
        for number in range(20):
            rows, columns = np.mgrid[:20, :20]
            stripes = 0.5 + 0.4 * np.sin((rows if label else columns) / 2 + rng.uniform(0, 6))
            pixels = (255 * np.clip(stripes + rng.normal(0, 0.1, (20, 20)), 0, 1)).astype(np.uint8)
            image = Image.fromarray(pixels)
            if number == 0:
                image = Image.merge("RGB", (image, image.transpose(Image.Transpose.ROTATE_90), image))
            image.save(root / "images" / name / f"{number}.png")
    (root / "study.toml").write_text(STUDY)
    loaded = bakeoff.load_study(root / "study.toml", source=f"folder:{root / 'images'}")
    bakeoff.run(loaded, root / "study").report()
    return root / "study"


def test_pixels_are_those_of_the_files_and_models_have_one_channel(study):
    arrays = stored(study, "lenet5", 0)
    with np.load(study / "test_images.npz") as images:
        for image_id, pixels in zip(arrays["test_ids"], images["images"], strict=True):
            with Image.open(study.parent / "images" / image_id) as image:
                np.testing.assert_array_equal(pixels, np.asarray(image.convert("L"))[..., None])
    data = json.loads((study / "data.json").read_text())
    assert len(data["mean"]) == len(data["std"]) == 1
    #   6 maps of 5 x 5 and a bias; 16 of 6 x 5 x 5; 2 x 2 pixels of 16 maps to 120, to 84, to 2 classes
    assert arrays["num_parameters"] == 6 * 26 + 16 * 151 + 120 * 65 + 84 * 121 + 2 * 85
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    assert "Mean of the gray values" in page


def test_prediction_gives_the_stored_logits(study):
    for recipe in ("lenet5", "changed"):
        arrays = stored(study, recipe, 0)
        files = [study.parent / "images" / image_id for image_id in arrays["test_ids"]]
        outcomes = list(predict(study, files, recipe=recipe))
        probabilities = np.stack([outcome.probabilities for outcome in outcomes])
        np.testing.assert_allclose(probabilities, softmax(arrays["test_logits"]), rtol=1e-12)


def test_the_exported_model_takes_gray_images_and_the_code_on_its_card_runs(study, tmp_path):
    export(study, tmp_path / "exported", recipe="lenet5")
    card = (tmp_path / "exported" / "README.md").read_text(encoding="utf-8")
    assert "uint8 [batch, 20, 20, 1], gray, 0..255" in " ".join(card.split())
    arrays = stored(study, "lenet5", 0)
    image = study.parent / "images" / arrays["test_ids"][3]
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1].replace('"image.png"', repr(str(image)))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "exported", capture_output=True, text=True, check=False
    )
    name, probability = done.stdout.split()
    expected = softmax(arrays["test_logits"])[3]
    assert name == arrays["class_names"][expected.argmax()], done.stderr
    assert float(probability) == pytest.approx(expected.max(), abs=1e-4)
