import io
import zipfile

import numpy as np
import pytest

from bakeoff.data.sources.npz import list_npz
from bakeoff.errors import BakeoffError

RNG = np.random.default_rng(4)
SIZES = {"train": 12, "val": 4, "test": 6}


def medmnist(color=True):
    """Arrays named and shaped as in a file of MedMNIST."""
    arrays = {}
    for split, size in SIZES.items():
        shape = (size, 10, 10, 3) if color else (size, 10, 10)
        arrays[f"{split}_images"] = RNG.integers(0, 256, shape, np.uint8)
        arrays[f"{split}_labels"] = (np.arange(size)[:, None] % 3).astype(np.uint8)
    return arrays


def keras():
    """Arrays named and shaped as in Keras's mnist.npz."""
    return {
        "x_test": RNG.integers(0, 256, (6, 10, 10), np.uint8),
        "x_train": RNG.integers(0, 256, (12, 10, 10), np.uint8),
        "y_train": (np.arange(12) % 3).astype(np.uint8),
        "y_test": (np.arange(6) % 3).astype(np.uint8),
    }


@pytest.fixture
def write(tmp_path):
    def write_file(arrays, save=np.savez):
        save(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    return write_file


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("color", [True, False])
def test_medmnist_comes_out_as_written(load, write, save, color):
    arrays = medmnist(color)
    data = load(f"npz:{write(arrays, save)}", image_size=10)
    for split, size in SIZES.items():
        images = arrays[f"{split}_images"]
        expected = images if color else np.repeat(images[..., None], 3, axis=3)
        np.testing.assert_array_equal(data.split(split).images, expected)
        assert data.split(split).labels.tolist() == [index % 3 for index in range(size)]
        assert data.split(split).ids[1] == f"{split}_images:1"
    assert data.class_names == ("0", "1", "2")
    assert data.notes == ()


def pixels(listing):
    return {
        split: [(image.label, image.image.tobytes()) for image in images]
        for split, images in listing.splits.items()
    }


def test_kerass_names_are_read(write):
    arrays = keras()
    listing = list_npz(write(arrays))
    assert {split: len(images) for split, images in listing.splits.items()} == {"test": 6, "train": 12}
    np.testing.assert_array_equal(listing.splits["train"][5].image[..., 1], arrays["x_train"][5])


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {name.replace("images", "x").replace("labels", "y"): array for name, array in a.items()},
        lambda a: {name.replace("val", "Validation"): array for name, array in a.items()},
        lambda a: a | {name: array / 255 for name, array in a.items() if "images" in name},
        lambda a: a | {name: array.astype(np.float32) for name, array in a.items() if "images" in name},
        lambda a: a | {name: array.transpose(0, 3, 1, 2) for name, array in a.items() if "images" in name},
        lambda a: a | {name: array[:, 0] for name, array in a.items() if "labels" in name},
        lambda a: a | {name: array.astype(np.float64) for name, array in a.items() if "labels" in name},
        lambda a: a | {name: array + 1 for name, array in a.items() if "labels" in name},
        lambda a: (
            a | {name: np.array(["a", "b", "c"])[array] for name, array in a.items() if "labels" in name}
        ),
        lambda a: a | {"more": np.zeros(3), "train_names": np.array(["a"])},
    ],
)
def test_other_names_types_and_layouts_give_the_same_images(write, change):
    arrays = medmnist()
    expected = pixels(list_npz(write(arrays)))
    assert pixels(list_npz(write(change(arrays)))) == expected


def test_what_had_to_be_found_out_is_reported(write):
    arrays = medmnist()
    arrays |= {name: array / 255 for name, array in arrays.items() if "images" in name}
    arrays |= {name: array + 1 for name, array in arrays.items() if "labels" in name}
    assert list_npz(write(arrays)).notes == (
        "The images are floats in 0..1, which were multiplied by 255.",
        "The labels count from 1: label 1 is class '1'.",
    )


def test_class_names_beside_the_file_are_read(write, tmp_path):
    (tmp_path / "class_names.txt").write_text("x\ny\nz\n")
    assert list_npz(write(medmnist())).class_names == ("x", "y", "z")


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_images": None}, r"no array train_images or x_train; it has 'train_labels', 'val_images'"),
        ({"val_labels": None}, "no array val_labels or y_val; it has "),
        ({"x_train": np.zeros(3)}, "'train_images' and 'x_train' may both be the images of train; keep one"),
        ({"train_images": np.zeros((12, 10, 10, 4), np.uint8)}, r"\[12, 10, 10, 4\]; expected \[N,"),
        ({"train_images": np.zeros((0, 10, 10), np.uint8)}, r"train_images is \[0, 10, 10\]; .*N from 1"),
        ({"train_images": np.zeros((12, 8, 8, 8), np.uint8)}, r"train_images is \[12, 8, 8, 8\]"),
        ({"train_images": np.full((12, 10, 10), 2.5)}, "data.npz: the images are float64 and uint8"),
        ({"train_labels": np.zeros((12, 14))}, r"train_labels is \[12, 14\]; expected one .*argmax"),
        ({"train_labels": np.zeros(11, int)}, "train_labels has 11 labels for 12 images"),
        ({"train_labels": np.full(12, 0.5)}, "the labels are float64, uint8; expected whole numbers or text"),
        ({"train_labels": np.full(12, np.nan)}, "expected whole numbers or text"),
        ({"train_labels": np.full(12, 2**63, np.uint64)}, "expected whole numbers or text"),
        ({"train_labels": np.full(12, "a")}, "expected whole numbers or text"),
        ({"test_labels": np.full((6, 1), 9)}, r"test_labels\[0\]: label 9 is outside the classes"),
        ({"train_labels": np.array([Bomb()] * 12)}, "holds Python objects, which are never unpickled"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_labeled_images_are_refused(write, changed, message):
    arrays = {name: array for name, array in (medmnist() | changed).items() if array is not None}
    with pytest.raises(BakeoffError, match=message):
        list_npz(write(arrays))


def test_empty_names_are_refused(write):
    arrays = medmnist()
    arrays |= {name: np.full(len(array), "a") for name, array in arrays.items() if "labels" in name}
    arrays["train_labels"][3] = " "
    with pytest.raises(BakeoffError, match=r"train_labels\[3\]: the label is empty"):
        list_npz(write(arrays))


def test_damaged_files_are_refused(write, tmp_path):
    file = write(medmnist())
    whole = file.read_bytes()
    for content in (b"", b"text", whole[:500], whole[:-30], whole[:200] + bytes(400) + whole[600:]):
        file.write_bytes(content)
        with pytest.raises(BakeoffError, match=r"data.npz.* again"):
            list_npz(file)


def test_a_header_that_declares_more_than_there_is_is_refused_unread(write):
    file = write(medmnist())
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 10, 10)}
    )
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (members | {"train_images.npy": header.getvalue()}).items():
            archive.writestr(name, content)
    with pytest.raises(BakeoffError, match="'train_images' declares 109951162777600 bytes, but has only 128"):
        list_npz(file)
