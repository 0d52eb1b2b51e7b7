"""Images in memory: what is listed, and what is refused."""

import numpy as np
import pytest

import bakeoff
from bakeoff.data.sources.arrays import ImageArrays, list_arrays


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((3, 8, 8), np.uint8), [0, 1], r"train: 3 images and 2 labels"),
        (np.zeros((2, 8, 8)), [0, 1], r"image 0 is float64 \[8, 8\]; expected uint8"),
        (np.zeros((2, 8, 8, 4), np.uint8), [0, 1], r"image 0 is uint8 \[8, 8, 4\]"),
        (np.zeros((2, 8, 8), np.uint8), [0.5, 1.0], r"labels are float64 \[2\]"),
        (np.zeros((2, 8, 8), np.uint8), [-1, 1], r"label -1; expected 0 to 1"),
    ],
)
def test_arrays_that_are_no_labelled_images_are_refused(study, tmp_path, images, labels, message):
    with pytest.raises(bakeoff.BakeoffError, match=message):
        bakeoff.run(study, tmp_path, data=bakeoff.ImageArrays(train=(images, labels)), progress=False)


def test_gray_images_become_three_equal_channels_and_names_are_numbered_in_their_order() -> None:
    gray = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    color = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    listing = list_arrays(ImageArrays(train=(gray, ["dog", "cat"]), test=([color], ["dog"])))
    assert listing.class_names == ("cat", "dog")
    assert set(listing.splits) == {"train", "test"}
    first, second = listing.splits["train"]
    assert (first.id, first.label, second.id, second.label) == ("0", 1, "1", 0)
    assert np.array_equal(second.image, np.stack([gray[1]] * 3, axis=2))
    assert np.array_equal(listing.splits["test"][0].image, color)


def test_whole_numbers_are_classes_up_to_the_largest_unless_they_are_named() -> None:
    images = np.zeros((3, 2, 2), np.uint8)
    assert list_arrays(ImageArrays((images, [0, 3, 1]))).class_names == ("0", "1", "2", "3")
    assert list_arrays(ImageArrays((images, [0, 1, 1]), class_names=["a", "b"])).class_names == ("a", "b")
    with pytest.raises(bakeoff.BakeoffError, match="val: label 'cow' is none of the classes"):
        list_arrays(ImageArrays((images, list("aab")), val=(images[:1], ["cow"]), class_names=["a", "b"]))
