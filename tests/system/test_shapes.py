"""Images that are not square: training, prediction, the exported model and the code on its card agree."""

import json
import re

import numpy as np
import onnx
import pytest
from PIL import Image, ImageOps
from tests.predict.trained import softmax, stored

import bakeoff
from bakeoff.data import Decoding, decode_image
from bakeoff.export.exporting import export
from bakeoff.predict.files import predict

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("wide")
    for label, name in enumerate("ab"):
        (root / name).mkdir()
        for index in range(12):
            pixels = RNG.integers(0, 256, (20, 50, 3), np.uint8)
            pixels[..., label] //= 4
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_all_that_read_images_treat_their_shape_alike(folder, tmp_path, fit):
    study = bakeoff.load_study("quickstart", epochs=1, seeds=1, recipes=["lenet5"]).changed(
        data={"source": f"folder:{folder}", "image_size": 16, "fit": fit}
    )
    result = bakeoff.run(study, tmp_path / "study")
    arrays = stored(tmp_path / "study", "lenet5", 0)
    files = [folder / name for name in arrays["test_ids"]]
    outcomes = list(predict(tmp_path / "study", files))
    probabilities = np.stack([outcome.probabilities for outcome in outcomes])
    np.testing.assert_allclose(probabilities, softmax(arrays["test_logits"]), rtol=1e-12)

    export(tmp_path / "study", tmp_path / "exported")
    model = onnx.load(tmp_path / "exported" / "model.onnx")
    properties = {entry.key: entry.value for entry in model.metadata_props}
    decoding = Decoding.from_dict(json.loads(properties["decoding"]))
    assert decoding == Decoding(fit)

    card = (tmp_path / "exported" / "README.md").read_text()
    assert {"crop": "each cropped and resized to", "pad": "each resized and padded to"}[fit] in card
    (line,) = re.findall(r"    pixels = (np.asarray\(.*\))", card)
    with Image.open(files[0]) as image:
        pixels = eval(line, {"np": np, "Image": Image, "ImageOps": ImageOps, "image": image, "side": 16})
    np.testing.assert_array_equal(pixels, decode_image(files[0], 16, decoding))
    page = result.report().read_text()
    assert f"16 × 16, {'cropped' if fit == 'crop' else 'padded'}" in page
    assert "(data.fit)" in page
