import os

import numpy as np
import pytest
from PIL import Image

from bakeoff.errors import BakeoffError


@pytest.fixture
def pets(tmp_path, write_image):
    """CLASS/* alone: classes 2, 10 and cat with 10 images each."""
    seed = 0
    for name in ("2", "10", "cat"):
        for index in range(10):
            write_image(tmp_path / "pets" / name / f"image {index}.png", seed)
            seed += 1
    return tmp_path / "pets"


@pytest.fixture
def three_splits(tmp_path, write_image):
    seed = 0
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        for name in ("dog", "cat"):
            for index in range(count):
                write_image(tmp_path / "animals" / split / name / f"{index}.png", seed)
                seed += 1
    return tmp_path / "animals"


def test_class_folders_alone_are_cut_into_splits(load, pets):
    data = load(f"folder:{pets}")
    assert data.class_names == ("2", "10", "cat")
    assert np.bincount(data.train.labels).tolist() == [6, 6, 6]
    assert np.bincount(data.val.labels).tolist() == [2, 2, 2]
    assert np.bincount(data.test.labels).tolist() == [2, 2, 2]
    assert all(image_id.startswith(f"{data.class_names[label]}/")
               for image_id, label in zip(data.train.ids, data.train.labels, strict=True))  # fmt: skip


def test_given_splits_are_kept(load, three_splits):
    data = load(f"folder:{three_splits}")
    assert data.class_names == ("cat", "dog")
    assert data.val.ids == ("val/cat/0.png", "val/cat/1.png", "val/dog/0.png", "val/dog/1.png")
    assert data.val.labels.tolist() == [0, 0, 1, 1]
    assert (len(data.train), len(data.test)) == (8, 4)
    assert data.notes == ()


def test_class_names_file_gives_the_order(load, three_splits):
    (three_splits / "class_names.txt").write_text("dog\ncat\n")
    data = load(f"folder:{three_splits}")
    assert data.class_names == ("dog", "cat")
    assert data.train.ids[0] == "train/dog/0.png"
    assert data.train.labels[0] == 0


def test_files_in_natural_order_any_case_of_extension_nested_and_hidden(load, three_splits, write_image):
    cat = three_splits / "train" / "cat"
    for seed, name in enumerate(
        ["10.PNG", "11.JpEg", "more/deep.tif", ".hidden.png", ".git/x.png"], start=100
    ):
        write_image(cat / name, seed)
    (cat / "readme.txt").write_text("not an image")
    (three_splits / "valid").mkdir()
    data = load(f"folder:{three_splits}")
    names = [image_id.removeprefix("train/cat/") for image_id in data.train.ids if "/cat/" in image_id]
    assert names == ["0.png", "1.png", "2.png", "3.png", "10.PNG", "11.JpEg", "more/deep.tif"]
    assert any("Ignored 1 file " in note for note in data.notes)
    assert any("valid" in note for note in data.notes)


def test_images_outside_class_folders_are_told(load, pets, write_image):
    write_image(pets / "loose.png", 99)
    assert any("Ignored 1 image outside" in note for note in load(f"folder:{pets}").notes)


def remove(folder):
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: remove(root / "train" / "cat"), ["no image in", "train/cat", "remove its folder"]),
        (lambda root: (root / "train").rename(root / "training"), ["no train", "expected train/CLASS/*"]),
        (lambda root: (root / "test" / "dog").rename(root / "test" / "wolf"), ["'wolf'", "train lacks"]),
        (lambda root: [remove(root / "val" / name) for name in ("cat", "dog")], ["val split is empty"]),
        (lambda root: (root / "class_names.txt").write_text("cat\ndog\nlion"), ["'lion'", "no folder"]),
        (lambda root: (root / "class_names.txt").write_text("cat"), ["lacks the class 'dog'", "add a line"]),
    ],
)
def test_a_folder_that_makes_no_data_set_is_refused(load, three_splits, spoil, words):
    spoil(three_splits)
    with pytest.raises(BakeoffError) as caught:
        load(f"folder:{three_splits}")
    for word in words:
        assert word in str(caught.value)


def test_a_folder_that_cannot_be_read_is_told_not_passed_over(load, pets):
    here = os.open(pets / "cat", os.O_RDONLY)
    for _ in range(25):  # deeper than the longest path that a system call takes
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(BakeoffError, match=r"cannot read the folder '.* \.\.\. .*': File name too long"):
        load(f"folder:{pets}")


def test_a_folder_without_images_is_refused(load, tmp_path):
    with pytest.raises(BakeoffError, match=r"no folders of images in .*expected one folder per class"):
        load(f"folder:{tmp_path}")


def test_val_and_test_may_lack_a_class(load, three_splits):
    remove(three_splits / "val" / "cat")
    (three_splits / "val" / "cat").rmdir()
    assert load(f"folder:{three_splits}").val.labels.tolist() == [1, 1]


def test_a_single_class_is_refused(load, pets):
    for name in ("2", "10"):
        remove(pets / name)
        (pets / name).rmdir()
    with pytest.raises(BakeoffError, match="only one class, 'cat'"):
        load(f"folder:{pets}")


def test_a_class_too_small_to_cut_is_refused(load, pets):
    for index in range(2, 10):
        (pets / "cat" / f"image {index}.png").unlink()
    with pytest.raises(BakeoffError, match="'cat' has 2 training images, too few to cut"):
        load(f"folder:{pets}")


def test_bad_images_are_listed_together_and_nothing_is_left(load, three_splits, own_cache):
    for index in range(13):
        (three_splits / "train" / "cat" / f"bad{index}.png").write_text("no image")
    (three_splits / "train" / "dog" / "empty.png").write_bytes(b"")
    whole = three_splits / "test" / "dog" / "1.png"
    whole.write_bytes(whole.read_bytes()[:150])
    with pytest.raises(BakeoffError) as caught:
        load(f"folder:{three_splits}")
    message = str(caught.value)
    assert message.startswith("15 images cannot be decoded; replace or remove")
    assert "train/cat/bad9.png: not an image" in message
    assert "bad10.png" not in message
    assert "5 more (15 in all)" in message
    assert list(own_cache.iterdir()) == []


def test_bad_images_are_told_with_their_reasons(load, three_splits):
    (three_splits / "train" / "dog" / "0.png").write_bytes(b"")
    whole = three_splits / "test" / "dog" / "1.png"
    whole.write_bytes(whole.read_bytes()[:150])
    with pytest.raises(BakeoffError) as caught:
        load(f"folder:{three_splits}")
    assert "train/dog/0.png: the file is empty" in str(caught.value)
    assert "test/dog/1.png: " in str(caught.value)
    assert "truncated" in str(caught.value)


def test_photographs_as_class_folders_give_the_arrays_of_their_split_files(load, photographs, tmp_path):
    shared = load(f"splits:{photographs}")
    place = {}
    for index, (image_id, label) in enumerate(zip(shared.val.ids, shared.val.labels, strict=True)):
        link = tmp_path / shared.class_names[label] / image_id.removeprefix("test/")
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(photographs / image_id)
        place[link.relative_to(tmp_path).as_posix()] = index
    data = load(f"folder:{tmp_path}")
    assert data.class_names == shared.class_names
    assert len(data.train) + len(data.val) + len(data.test) == 200
    for split in (data.train, data.val, data.test):
        order = [place[image_id] for image_id in split.ids]
        np.testing.assert_array_equal(split.images, shared.val.images[order])
        np.testing.assert_array_equal(split.labels, shared.val.labels[order])


def test_original_pixels_survive_at_their_own_size(load, tmp_path, write_image):
    for seed, name in enumerate(["a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png", "b/2.png"]):
        write_image(tmp_path / name, seed, size=(16, 16))
    data = load(f"folder:{tmp_path}", image_size=16)
    for split in (data.train, data.val, data.test):
        for image_id, image in zip(split.ids, split.images, strict=True):
            with Image.open(tmp_path / image_id) as original:
                np.testing.assert_array_equal(image, np.asarray(original))
