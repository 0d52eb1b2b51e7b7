import numpy as np
import pytest

from bakeoff.errors import BakeoffError

BYTES_PER_IMAGE = 3 * 96 * 96


@pytest.fixture
def small(tmp_path):
    """Two images a class in train, three in test, of noise."""
    directory = tmp_path / "stl10_binary"
    directory.mkdir()
    rng = np.random.default_rng(0)
    for part, per_class in (("train", 2), ("test", 3)):
        labels = np.tile(np.arange(1, 11, dtype=np.uint8), per_class)
        labels.tofile(directory / f"{part}_y.bin")
        rng.integers(0, 256, (len(labels), BYTES_PER_IMAGE), np.uint8).tofile(directory / f"{part}_X.bin")
    return directory


def test_binaries_give_the_arrays_and_splits_of_the_image_files(load, photographs, photographs_binary_dir):
    files = load(f"splits:{photographs}")
    data = load(f"stl10:{photographs_binary_dir}", stl10_val_per_class=20)
    assert_same_images(data, files, photographs)
    assert any("first 20 images of each class are val" in note for note in data.notes)


def test_the_official_binaries_give_those_of_stl10(load, stl10_dir, stl10_binary_dir):
    files = load(f"splits:{stl10_dir}")
    data = load(f"stl10:{stl10_binary_dir}", stl10_val_per_class=100)
    assert_same_images(data, files, stl10_dir)


def assert_same_images(data, files, directory):
    assert data.class_names == files.class_names
    for name in ("train", "val", "test"):
        np.testing.assert_array_equal(data.split(name).images, files.split(name).images)
        np.testing.assert_array_equal(data.split(name).labels, files.split(name).labels)
    place = {f"test/{path.name}": index for index, path in enumerate(sorted((directory / "test").iterdir()))}
    assert data.test.ids == tuple(f"test_X.bin:{place[image_id]}" for image_id in files.test.ids)


def test_the_folder_around_the_binaries_is_accepted(load, small):
    inside = load(f"stl10:{small}", stl10_val_per_class=1)
    around = load(f"stl10:{small.parent}", stl10_val_per_class=1)
    assert around.fingerprint == inside.fingerprint


def test_planes_are_read_column_by_column(load, small):
    planes = np.zeros((20, 3, 96, 96), np.uint8)
    planes[:, 1, 5, :] = 255  # green, column 5
    planes.tofile(small / "train_X.bin")
    image = load(f"stl10:{small}", image_size=96, stl10_val_per_class=1).train.images[0]
    assert image[:, 5].tolist() == [[0, 255, 0]] * 96
    assert image.sum() == 96 * 255


def test_too_many_validation_images_are_refused_with_the_setting(load, photographs_binary_dir):
    with pytest.raises(
        BakeoffError,
        match=r"data.stl10_val_per_class is 300.*only 60 images.*nothing remains for test.*below 60",
    ):
        load(f"stl10:{photographs_binary_dir}")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / "test_X.bin").unlink(), ["no file", "test_X.bin", "bakeoff data fetch stl10"]),
        (
            lambda root: (root / "train_X.bin").write_bytes(bytes(20 * BYTES_PER_IMAGE - 1)),
            ["train_X.bin", "552,959 bytes", "expected 552,960"],
        ),
        (lambda root: (root / "test_y.bin").write_bytes(b""), ["test_y.bin", "empty"]),
        (
            lambda root: (root / "train_y.bin").write_bytes(bytes([*range(20)])),
            ["label 0 at byte 0", "1..10"],
        ),
        (lambda root: (root / "class_names.txt").write_text("a\nb\n"), ["2 names", "expected 10"]),
    ],
)
def test_bad_binaries_are_refused(load, small, spoil, words):
    spoil(small)
    with pytest.raises(BakeoffError) as caught:
        load(f"stl10:{small}", stl10_val_per_class=1)
    for word in words:
        assert word in str(caught.value)
