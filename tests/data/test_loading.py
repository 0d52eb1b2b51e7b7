import dataclasses
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from bakeoff.data import Decoding, check_cached_images, decode_image, load_data
from bakeoff.data.cache_entry import read_original_sizes
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings, load_study


def test_an_image_that_cannot_be_read_is_told(load, splits_dir):
    (splits_dir / "pictures" / "val 1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    message = r'1 image cannot be decoded; .* data.on_unreadable = "skip":\n  pictures/val 1.png: '
    with pytest.raises(BakeoffError, match=message):
        load(f"splits:{splits_dir}")


def test_groups_come_with_the_splits_and_other_groups_decode_nothing_again(splits_dir, own_cache):
    source = f"splits:{splits_dir}"
    plain = load_data(DataSettings(source=source))
    assert plain.test.groups is None
    steps = set()
    settings = DataSettings(source=source, groups=r"(\w+) \d")
    data = load_data(settings, progress=lambda text, done, total: steps.add(text))
    assert data.train.groups == ("train",) * 4
    assert data.test.groups == ("test",) * 2
    assert data.notes == (*plain.notes, "The images form groups: 1 in train, 1 in val and 1 in test.")
    assert "decoding images" not in steps
    assert data.fingerprint == plain.fingerprint


def test_class_names_of_the_settings_name_numbers_and_nothing_else(splits_dir, own_cache):
    settings = DataSettings(source=f"splits:{splits_dir}", class_names=("ape", "zebra"))
    data = load_data(settings)
    assert data.class_names == ("ape", "zebra")
    assert data.notes == ("The class names are those of data.class_names.",)
    (splits_dir / "class_names.txt").write_text("cat\ndog\n")
    data = load_data(settings)
    assert data.class_names == ("cat", "dog")
    assert data.notes == ("data.class_names was not used: the source has class names of its own.",)
    digits = load_data(DataSettings(class_names=("ape", "zebra")))
    assert "data.class_names was not used" in " ".join(digits.notes)


@pytest.mark.parametrize("names", ['["a", "a"]', '["a", " "]', '["a"]', '"a"'])
def test_class_names_that_are_none_are_refused(names):
    with pytest.raises(BakeoffError, match=r"data.class_names: "):
        load_study("quickstart", overrides=[f"data.class_names={names}"])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "not a regular expression: missing"), ("p[0-9]+", r"expected a group in parentheses, as in '\(")],
)
def test_groups_that_are_no_expression_are_refused(pattern, message):
    with pytest.raises(BakeoffError, match=f"data.groups: found .*{message}"):
        load_study("quickstart", overrides=[f"data.groups={pattern}"])


@pytest.fixture
def partly_broken(tmp_path, write_image):
    """Two classes of ten images in a folder, three of which cannot be decoded, for different reasons."""
    folder = tmp_path / "partly broken"
    for label, name in enumerate("ab"):
        for index in range(10):
            write_image(folder / name / f"{index}.png", 10 * label + index, (12 + index, 10))
    (folder / "a" / "3.png").write_bytes(b"")
    (folder / "b" / "4.png").write_bytes((folder / "b" / "4.png").read_bytes()[:-60])
    (folder / "b" / "7.png").unlink()
    os.mkfifo(folder / "b" / "7.png")  # reading it would wait for a writer
    return folder


def test_images_that_cannot_be_decoded_are_skipped_on_request(partly_broken, load, own_cache):
    data = load(f"folder:{partly_broken}", on_unreadable="skip", groups=r"(\d)\.png")
    splits = (data.train, data.val, data.test)
    ids = {image_id for split in splits for image_id in split.ids}
    assert len(ids) == sum(map(len, splits)) == 17
    assert ids.isdisjoint({"a/3.png", "b/4.png", "b/7.png"})
    sizes = iter(read_original_sizes(data.directory))
    for split in splits:
        assert split.images.shape == (len(split), 32, 32, 3)
        for image, label, image_id, group in zip(*dataclasses.astuple(split), strict=True):
            assert next(sizes).tolist() == [12 + int(group), 10]
            assert "ab"[label] == image_id[0]
            assert image_id[2] == group
            np.testing.assert_array_equal(image, decode_image(partly_broken / image_id, 32))
    (note,) = [note for note in data.notes if "cannot be decoded" in note]
    assert note.startswith(
        "Skipped 3 of 20 images, which cannot be decoded (data.on_unreadable): a/3.png: the file is empty; "
    )
    assert "b/7.png: not a regular file" in note


def test_skipped_images_are_reported_again_from_the_cache(partly_broken, own_cache):
    settings = DataSettings(source=f"folder:{partly_broken}", on_unreadable="skip")
    first = load_data(settings)
    steps = set()
    again = load_data(settings, progress=lambda text, done, total: steps.add(text))
    assert "decoding images" not in steps
    assert (again.notes, again.fingerprint) == (first.notes, first.fingerprint)
    assert all(not entry.problems for entry in check_cached_images(again.fingerprint))


def test_without_the_setting_they_stop_it(partly_broken, load):
    with pytest.raises(BakeoffError, match=r"1 image cannot be decoded.*\n  b/7.png: not a regular file"):
        load(f"folder:{partly_broken}")
    (partly_broken / "b" / "7.png").unlink()
    with pytest.raises(BakeoffError, match=r"2 images cannot be decoded.*\n  a/3.png: .*\n  b/4.png: "):
        load(f"folder:{partly_broken}")


def test_of_many_the_first_are_named(partly_broken, load):
    for index in range(9):
        (partly_broken / "a" / f"{index}.png").write_bytes(b"text")
    with pytest.raises(
        BakeoffError, match=r"class 'a' .* once 11 images that cannot be decoded are skipped:"
    ):
        load(f"folder:{partly_broken}", on_unreadable="skip")
    for index in range(9):
        shutil.copy(partly_broken / "b" / "1.png", partly_broken / "a" / f"good {index}.png")
    note = load(f"folder:{partly_broken}", on_unreadable="skip").notes[-1]
    assert note.startswith("Skipped 11 of 29 images")
    assert note.count(".png: ") == 5
    assert note.endswith("; ...")


def test_a_clean_folder_is_the_same_with_and_without_skipping(load, splits_dir):
    skipping = load(f"splits:{splits_dir}", on_unreadable="skip")
    plain = load(f"splits:{splits_dir}")
    assert (skipping.fingerprint, skipping.notes) == (plain.fingerprint, plain.notes)


def test_gray_images_have_one_channel_and_a_place_of_their_own_in_the_cache(load, splits_dir, own_cache):
    color, gray = load(f"splits:{splits_dir}"), load(f"splits:{splits_dir}", channels="grey", image_size=12)
    assert (color.num_channels, gray.num_channels) == (3, 1)
    assert color.directory != gray.directory
    for image_id, pixels in zip(gray.test.ids, gray.test.images, strict=True):
        with Image.open(splits_dir / image_id) as image:
            expected = image.convert("L").resize((12, 12), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(pixels, np.asarray(expected)[..., None])
        np.testing.assert_array_equal(pixels, decode_image(splits_dir / image_id, 12, decoding=gray.decoding))
    shares = gray.train.images / 255
    np.testing.assert_allclose(gray.mean, [shares.mean()], rtol=1e-12)
    np.testing.assert_allclose(gray.std, [shares.std()], rtol=1e-12)
    assert Decoding.from_dict(gray.decoding.to_dict()) == gray.decoding


def test_gray_values_are_kept_where_channels_are_equal(load):
    color, gray = load("digits", image_size=8), load("digits", image_size=8, channels="grey")
    np.testing.assert_array_equal(color.train.images[..., :1], gray.train.images)
