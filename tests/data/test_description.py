import shutil

import numpy as np
import pytest
from PIL import Image

from bakeoff.data import describe


def test_the_stl10_images_are_described(load, stl10_dir):
    description = describe(load(f"splits:{stl10_dir}"))
    assert description.counts == {"train": (500,) * 10, "val": (100,) * 10, "test": (200,) * 10}
    sizes = description.original_sizes
    assert sizes.min == sizes.median == sizes.max == (96, 96)
    assert description.image_size == 32
    assert description.problems == ()


@pytest.fixture
def folder(tmp_path, write_image):
    seed = 0
    for split in ("train", "val", "test"):
        for name in ("ape", "zebra"):
            for index in range(3):
                write_image(tmp_path / split / name / f"{index}.png", seed, size=(10 + seed, 40 - seed))
                seed += 1
    return tmp_path


def test_original_sizes_are_those_before_resizing(load, folder):
    sizes = describe(load(f"folder:{folder}")).original_sizes
    assert sizes.min == (10, 23)
    assert sizes.median == (18.5, 31.5)
    assert sizes.max == (27, 40)


def test_sound_data_have_no_problems(load, folder):
    assert describe(load(f"folder:{folder}")).problems == ()


def test_unequal_classes_are_told(load, folder, write_image):
    for index in range(3, 7):
        write_image(folder / "train" / "ape" / f"{index}.png", 100 + index)
    assert describe(load(f"folder:{folder}")).problems == (
        "Classes are unequal in train: 7 images of 'ape', 3 of 'zebra'.",
    )


def test_identical_images_are_told_by_where_they_lie(load, folder):
    shutil.copy(folder / "train/ape/0.png", folder / "train/ape/copy.png")
    shutil.copy(folder / "train/ape/1.png", folder / "test/zebra/copy.png")
    assert describe(load(f"folder:{folder}")).problems == (
        "1 group(s) of identical images within a split, such as "
        "train train/ape/0.png = train train/ape/copy.png.",
        "1 group(s) of identical images across splits, such as "
        "train train/ape/1.png = test test/zebra/copy.png.",
        "1 group(s) of identical images with different labels, such as train train/ape/1.png = "
        "test test/zebra/copy.png.",
    )


def test_nearly_uniform_images_are_told(load, folder):
    grey = np.full((20, 20, 3), 100, np.uint8)
    grey[:10] = 104
    Image.fromarray(grey).save(folder / "val" / "ape" / "grey.png")
    (problem,) = describe(load(f"folder:{folder}")).problems
    assert problem == "1 image(s) are nearly uniform, such as val val/ape/grey.png."
