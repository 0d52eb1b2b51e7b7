import gzip
import subprocess
import sys

import numpy as np
import pytest
from tests.needs import FASHION_MNIST

import bakeoff
from bakeoff.data.sources.idx import list_idx
from bakeoff.errors import BakeoffError


def encode(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.tobytes()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(3)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (24, 20, 28), np.uint8),
        "train-labels-idx1-ubyte": np.arange(24, dtype=np.uint8) % 3,
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (6, 20, 28), np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(6, dtype=np.uint8) % 3,
    }


@pytest.fixture
def write(tmp_path):
    def write_files(arrays, change_name=lambda name: name):
        for name, array in arrays.items():
            name = change_name(name)
            content = encode(array)
            (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return tmp_path

    return write_files


def test_pixels_and_labels_come_out_as_written(load, write, arrays):
    square = {name: array[:, :, :20] if array.ndim == 3 else array for name, array in arrays.items()}
    data = load(f"idx:{write(square)}", image_size=20)
    expected = square["t10k-images-idx3-ubyte"]
    for channel in range(3):
        np.testing.assert_array_equal(data.test.images[..., channel], expected)
    assert data.test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.test.ids == tuple(f"t10k-images-idx3-ubyte:{index}" for index in range(6))
    assert data.class_names == ("0", "1", "2")
    for split in (data.train, data.val):
        for image_id, image, label in zip(split.ids, split.images, split.labels, strict=True):
            index = int(image_id.removeprefix("train-images-idx3-ubyte:"))
            np.testing.assert_array_equal(image[..., 0], square["train-images-idx3-ubyte"][index])
            assert label == index % 3
    assert any("no val split" in note for note in data.notes)


def contents(listing):
    return {
        split: [(image.label, image.image.tobytes()) for image in images]
        for split, images in listing.splits.items()
    }


@pytest.mark.parametrize(
    "change_name",
    [
        lambda name: f"{name}.gz",
        lambda name: name.replace("-idx", ".idx"),
        lambda name: "emnist-letters-" + name.replace("t10k", "test") + ".gz",
        lambda name: name.replace("t10k", "Validation"),
    ],
)
def test_names_of_the_files_as_they_are_found(write, arrays, change_name, tmp_path):
    expected = contents(list_idx(write(arrays)))
    for file in tmp_path.iterdir():
        file.unlink()
    found = contents(list_idx(write(arrays, change_name)))
    assert found["train"] == expected["train"]
    assert found.get("test", found.get("val")) == expected["test"]


def test_a_decompressed_copy_beside_its_archive_is_one_file(write, arrays):
    write(arrays)
    assert len(list_idx(write(arrays, lambda name: f"{name}.gz")).splits["train"]) == 24


def test_labels_from_one_and_class_names_are_read(write, arrays):
    arrays = {name: array + 1 if "labels" in name else array for name, array in arrays.items()}
    folder = write(arrays)
    (folder / "class_names.txt").write_text("a\nb\nc\n")
    listing = list_idx(folder)
    assert listing.class_names == ("a", "b", "c")
    assert [image.label for image in listing.splits["test"]] == [0, 1, 2, 0, 1, 2]
    assert listing.notes == ("The labels count from 1: label 1 is class 'a'.",)


def change_bytes(name, change):
    def spoil(folder):
        file = folder / name
        file.write_bytes(change(file.read_bytes()))

    return spoil


IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / IMAGES).unlink(), r"no file train-images-idx3-ubyte \(or .gz\) in "),
        (lambda folder: (folder / LABELS).unlink(), r"no file t10k-labels-idx1-ubyte \(or .gz\) in "),
        (lambda folder: [file.unlink() for file in folder.iterdir()], "no file train-images-.* and train-l"),
        (lambda folder: (folder / f"my-{IMAGES}").write_bytes(b""), "several files of train images, "),
        (change_bytes(IMAGES, lambda c: c[:-1]), r"13,439 bytes after its header, .* 20 x 28 \(13,440\)"),
        (change_bytes(IMAGES, lambda c: c + b"x"), "train-images.* has more than 13,440 bytes"),
        (change_bytes(IMAGES, lambda c: c[:9]), "an IDX file of images: expected bytes 0, 0, 8, 3"),
        (change_bytes(IMAGES, lambda c: b""), "does not begin as an IDX file of images"),
        (change_bytes(IMAGES, lambda c: c[:3] + b"\1" + c[4:]), "does not begin as an IDX file of images"),
        (change_bytes(IMAGES, lambda c: c[:4] + bytes(4) + c[8:]), "does not begin as an IDX file of images"),
        (change_bytes(LABELS, lambda c: c[:2] + b"\x0b" + c[3:]), "does not begin as an IDX file of labels"),
        (change_bytes(LABELS, lambda c: encode(np.zeros(5, np.uint8))), "6 images, but .* 5 labels"),
        (change_bytes(LABELS, lambda c: c[:-1] + b"\x09"), "idx1-ubyte: label 5: label 9 is outside"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused(write, arrays, spoil, message):
    folder = write(arrays)
    spoil(folder)
    with pytest.raises(BakeoffError, match=message):
        list_idx(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-20], "is not a whole gzip file"),
        (lambda content: b"nothing compressed", "is not a whole gzip file"),
        (lambda content: gzip.compress(gzip.decompress(content) + b"x"), "more than 13,440 bytes"),
        (lambda content: gzip.compress(gzip.decompress(content)[:-1]), "13,439 bytes after its header"),
        (
            lambda content: gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12),
            "declares .* bytes; the limit is",
        ),
    ],
)
def test_damaged_archives_are_refused(write, arrays, change, message):
    folder = write(arrays, lambda name: f"{name}.gz")
    change_bytes(f"{IMAGES}.gz", change)(folder)
    with pytest.raises(BakeoffError, match=message):
        list_idx(folder)


@pytest.mark.needs("fashion-mnist")
def test_fashion_mnist_is_as_published():
    listing = list_idx(FASHION_MNIST)
    assert {split: len(images) for split, images in listing.splits.items()} == {
        "test": 10_000,
        "train": 60_000,
    }
    assert [image.label for image in listing.splits["test"][:10]] == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert listing.splits["train"][0].image.shape == (28, 28, 3)
    pixels = np.stack([image.image[..., 0] for image in listing.splits["train"]])
    assert round(float(pixels.mean()), 2) == 72.94  # 0.2860 of 255, the mean that is commonly used


@pytest.mark.slow
@pytest.mark.needs("fashion-mnist")
def test_recipes_are_compared_on_fashion_mnist(tmp_path):
    words = ["run", "quickstart", "--data", f"idx:{FASHION_MNIST}", "--epochs", "2", "--seeds", "2"]
    subprocess.run([sys.executable, "-m", "bakeoff", *words], cwd=tmp_path, check=True)
    result = bakeoff.open_result(tmp_path / "results" / "quickstart")
    assert len(result.test_labels) == 10_000
    accuracies = {recipe.name: recipe.accuracy for recipe in result.comparison.recipes}
    assert 0.8 < accuracies["lenet5"] < 0.9
