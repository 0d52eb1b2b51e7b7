import numpy as np
import pytest

from bakeoff.errors import BakeoffError


@pytest.fixture
def cifar(tmp_path):
    """Twenty images a file, in the binary version's records; the folder, and the pixels by file name."""
    rng = np.random.default_rng(1)
    pixels = {}
    for name in [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]:
        pixels[name] = rng.integers(0, 256, (20, 32, 32, 3), np.uint8)
        with (tmp_path / name).open("wb") as file:
            for index, image in enumerate(pixels[name]):
                file.write(bytes([index % 10]))
                for channel in range(3):
                    file.write(image[:, :, channel].tobytes())
    return tmp_path, pixels


def test_pixels_and_labels_come_out_as_written(load, cifar):
    directory, pixels = cifar
    data = load(f"cifar10:{directory}")
    np.testing.assert_array_equal(data.test.images, pixels["test_batch.bin"])
    assert data.test.labels.tolist() == [index % 10 for index in range(20)]
    assert data.class_names[6] == "frog"
    for split in (data.train, data.val):
        for image_id, image, label in zip(split.ids, split.images, split.labels, strict=True):
            file, index = image_id.split(":")
            np.testing.assert_array_equal(image, pixels[file][int(index)])
            assert label == int(index) % 10


def test_val_is_cut_from_train_and_told(load, cifar):
    data = load(f"cifar10:{cifar[0]}", val_fraction=0.2)
    assert np.bincount(data.val.labels).tolist() == [2] * 10
    assert np.bincount(data.train.labels).tolist() == [8] * 10
    assert len({*data.train.ids, *data.val.ids}) == 100
    assert any("no val split" in note for note in data.notes)


def test_the_official_names_file_with_its_empty_last_line_is_read(load, cifar):
    (cifar[0] / "batches.meta.txt").write_text("\n".join(f"class{index}" for index in range(10)) + "\n\n")
    assert load(f"cifar10:{cifar[0]}").class_names[3] == "class3"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda root: (root / "data_batch_3.bin").unlink(),
            ["no file", "data_batch_3.bin", "binary version"],
        ),
        (
            lambda root: (root / "data_batch_2.bin").write_bytes(bytes(3074)),
            ["data_batch_2.bin", "3,074 bytes", "multiple of 3,073", "30,730,000"],
        ),
        (lambda root: (root / "test_batch.bin").write_bytes(b""), ["test_batch.bin", "0 bytes"]),
        (lambda root: (root / "test_batch.bin").write_bytes(bytes([10]) + bytes(3072)), ["label 10", "0..9"]),
    ],
)
def test_bad_binaries_are_refused(load, cifar, spoil, words):
    spoil(cifar[0])
    with pytest.raises(BakeoffError) as caught:
        load(f"cifar10:{cifar[0]}")
    for word in words:
        assert word in str(caught.value)
