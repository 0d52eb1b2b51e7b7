import os
import zlib

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
    write_image(three_splits / "extra" / "a.png", 105)
    data = load(f"folder:{three_splits}")
    names = [image_id.removeprefix("train/cat/") for image_id in data.train.ids if "/cat/" in image_id]
    assert names == ["0.png", "1.png", "2.png", "3.png", "10.PNG", "11.JpEg", "more/deep.tif"]
    assert data.notes == (
        "Ignored the folders beside the splits: extra (1 image).",
        "Ignored 1 file of kinds that are not read: 1 .txt.",
        "Ignored 2 hidden or system files or folders: .git, .hidden.png.",
    )


def test_images_outside_class_folders_are_told(load, pets, write_image):
    write_image(pets / "loose.png", 99)
    assert any("Ignored 1 image outside" in note for note in load(f"folder:{pets}").notes)


def remove(folder):
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: remove(root / "train" / "cat"), ["'cat'", "no image in train, while", "val has 2"]),
        (lambda root: (root / "train").rename(root / "learn"), ["no train", "expected train/CLASS/*"]),
        (lambda root: (root / "train/cat").rename(root / "train/Cat"), ["'Cat' differs only in case"]),
        (
            lambda root: (root / "train/cat").rename(root / "train/dog "),
            ["differ only in blanks", "list both"],
        ),
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
    assert message.startswith("15 images cannot be decoded; replace or remove them, or ")
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


def fill(folder, *names, count=5):
    for index in range(count):
        for name in names:
            seed = zlib.crc32(f"{name} {index}".encode())
            pixels = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), np.uint8)
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("training_set", "val", "test_set"),
        ("Train", "Validation", "TEST"),
        ("training", "valid", "testing"),
        ("train-images", "dev", "test data"),
    ],
)
def test_split_folders_may_have_other_usual_names(load, three_splits, train, val, test):
    for split, name in (("train", train), ("val", val), ("test", test)):
        (three_splits / split).rename(three_splits / name)
    data = load(f"folder:{three_splits}")
    assert data.class_names == ("cat", "dog")
    assert [len(split) for split in (data.train, data.val, data.test)] == [8, 4, 4]
    assert data.train.ids[0] == f"{train}/cat/0.png"
    (note,) = data.notes
    assert f"{train} as train" in note


@pytest.mark.parametrize("folders", [("bus", "train", "plane"), ("Valid", "invalid")])
def test_a_class_named_like_a_split_beside_others_is_a_class(load, tmp_path, folders):
    fill(tmp_path, *folders)
    data = load(f"folder:{tmp_path}")
    assert sorted(data.class_names) == sorted(folders)
    assert any("as classes, not as splits" in note for note in data.notes)


@pytest.mark.parametrize(
    "folders",
    [
        ("bus/red", "train/steam", "plane/jet"),
        ("cat", "dog", "test"),
        ("train_1/cat", "train_1/dog", "test_1/cat"),
        ("cats_train", "dogs_train", "cats_test", "dogs_test"),
        ("seg_train/cat", "seg_train/dog", "seg_test/cat", "seg_pred"),
        ("train", "test", "bus"),
        ("train/cat", "train/dog", "validation_2/cat"),
    ],
)
def test_folders_that_may_be_splits_or_classes_are_asked_back_and_class_names_decide(load, tmp_path, folders):
    fill(tmp_path, *folders)
    with pytest.raises(BakeoffError, match=r"class_names\.txt|has a folder test but no train"):
        load(f"folder:{tmp_path}")
    names = sorted({folder.partition("/")[0] for folder in folders})
    (tmp_path / "class_names.txt").write_text("\n".join(names))
    assert load(f"folder:{tmp_path}").class_names == tuple(names)


def test_test_images_without_class_folders_are_counted_not_used(load, tmp_path):
    fill(tmp_path, "train/cat", "train/dog", "test")
    data = load(f"folder:{tmp_path}")
    assert "Ignored 5 images in test, which are in no class folder: their labels are not known." in data.notes
    assert all(image_id.startswith("train/") for image_id in data.test.ids)


def test_two_folders_for_one_split_are_asked_back(load, three_splits):
    (three_splits / "validation" / "cat").mkdir(parents=True)
    with pytest.raises(BakeoffError, match=r"several folders for val, val and validation; keep one"):
        load(f"folder:{three_splits}")


def test_splits_within_the_class_folders_are_splits(load, tmp_path):
    fill(tmp_path, "cat/train", "dog/train", "cat/test", "dog/test")
    data = load(f"folder:{tmp_path}")
    assert "The splits are the folders in the class folders." in data.notes
    assert {image_id.split("/")[1] for image_id in data.test.ids} == {"test"}
    assert len(data.test) == 10
    fill(tmp_path, "cat/more")
    with pytest.raises(
        BakeoffError, match=r"divided into splits, but 5 images in no split; .*\n +cat/more/0"
    ):
        load(f"folder:{tmp_path}")


def test_a_folder_around_the_class_folders_is_pointed_out(load, pets):
    with pytest.raises(BakeoffError, match=rf"did you mean folder:{pets}\?"):
        load(f"folder:{pets.parent}")


def test_an_empty_class_folder_is_no_class_and_one_of_other_files_is_asked_back(load, pets):
    (pets / "fox" / "deep").mkdir(parents=True)
    data = load(f"folder:{pets}")
    assert data.class_names == ("2", "10", "cat")
    assert "Ignored the class folders that are empty: fox." in data.notes
    for name in ("1.HEIC", "2.heic", "notes.txt"):
        (pets / "fox" / name).write_bytes(b"x")
    with pytest.raises(
        BakeoffError, match=r"no image in .*fox, but .* not read: 2 \.heic and 1 \.txt; convert"
    ):
        load(f"folder:{pets}")


def test_what_is_not_read_changes_neither_fingerprint_nor_cache(load, pets, own_cache):
    before = load(f"folder:{pets}")
    (pets / "cat" / "1.heic").write_bytes(b"x")
    after = load(f"folder:{pets}")
    assert after.directory == before.directory
    assert len(after.notes) == len(before.notes) + 1


def test_empty_folders_that_look_like_splits_are_asked_back(load, tmp_path):
    for name in ("train_1", "test_1"):
        (tmp_path / name).mkdir()
    with pytest.raises(BakeoffError, match=r"train_1 may be splits or classes"):
        load(f"folder:{tmp_path}")
