"""Labeled images as one set, to be tested on."""

import numpy as np
import pytest
from PIL import Image

from bakeoff.data import Decoding
from bakeoff.data.labeled import load_labeled
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (value, value, value)).save(path)


def test_all_images_of_a_source_without_a_test_split_with_the_labels_of_the_models(tmp_path):
    for place, name in enumerate(("owl", "crow", "owl")):
        write(tmp_path / name / f"{place}.png", 10 * place)
    split = load_labeled(DataSettings(source=f"folder:{tmp_path}"), ("owl", "wren", "crow"), Decoding(), 8)
    found = {
        name: (int(label), int(image[0, 0, 0]))
        for name, label, image in zip(split.ids, split.labels, split.images, strict=True)
    }
    assert found == {"owl/0.png": (0, 0), "crow/1.png": (2, 10), "owl/2.png": (0, 20)}
    assert split.images.shape == (3, 8, 8, 3)


def test_the_test_split_alone_where_there_is_one(tmp_path):
    for place, split in enumerate(("train", "test")):
        for name in ("owl", "crow"):
            write(tmp_path / split / name / f"{place}.png", 0)
    split = load_labeled(DataSettings(source=f"folder:{tmp_path}"), ("crow", "owl"), Decoding(), 8)
    assert len(split) == 2
    assert (np.sort(split.labels) == [0, 1]).all()


def test_what_cannot_be_used_is_named(tmp_path):
    write(tmp_path / "owl" / "0.png", 0)
    write(tmp_path / "crow" / "0.png", 0)
    settings = DataSettings(source=f"folder:{tmp_path}")
    with pytest.raises(BakeoffError, match="the models do not know the classes 'owl'; they know 'crow'"):
        load_labeled(settings, ("crow", "wren"), Decoding(), 8)
    (tmp_path / "owl" / "cut.png").write_bytes((tmp_path / "owl" / "0.png").read_bytes()[:-30])
    with pytest.raises(BakeoffError, match=r"cannot be decoded; replace or remove:\n  owl/cut.png"):
        load_labeled(settings, ("crow", "owl"), Decoding(), 8)
