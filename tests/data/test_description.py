import pytest

from bakeoff.data import describe


def test_photographs_are_described(load, photographs):
    description = describe(load(f"splits:{photographs}"))
    assert description.counts == {"train": (60,) * 10, "val": (20,) * 10, "test": (40,) * 10}
    sizes = description.original_sizes
    assert sizes.min == sizes.median == sizes.max == (96, 96)
    assert description.image_size == 32


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
