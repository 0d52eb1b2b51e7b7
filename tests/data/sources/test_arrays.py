"""Images in memory: what is listed, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

import bakeoff
from bakeoff.data.sources.arrays import ImageArrays, as_image_arrays, list_arrays


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((3, 8, 8), np.uint8), [0, 1], r"train: 3 images and 2 labels"),
        (np.full((2, 8, 8), 2.5), [0, 1], r"images are float64 with values from 2.5 to 2.5; expected uint8"),
        (np.zeros((2, 8, 8, 4), np.uint8), [0, 1], r"image 0 is uint8 \[8, 8, 4\]"),
        (np.zeros((2, 8, 8), np.uint8), [0.5, 1.0], r"labels are float64 \[2\]"),
        (np.zeros((2, 8, 8), np.uint8), [-1, 1], r"train: label of image 0: label -1 is outside"),
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


def test_whole_numbers_are_their_own_names_unless_they_are_named() -> None:
    images = np.zeros((3, 2, 2), np.uint8)
    assert list_arrays(ImageArrays((images, [0, 1, 2]))).class_names == ("0", "1", "2")
    assert list_arrays(ImageArrays((images, [0, 1, 1]), class_names=["a", "b"])).class_names == ("a", "b")
    from_one = list_arrays(ImageArrays((images, [1, 2, 2]), class_names=["a", "b"]))
    assert [image.label for image in from_one.splits["train"]] == [0, 1, 1]
    assert from_one.notes == ("The labels count from 1: label 1 is class 'a'.",)
    with pytest.raises(bakeoff.BakeoffError, match="label 3 is outside the classes: no image has label 2"):
        list_arrays(ImageArrays((images, [0, 3, 1])))
    with pytest.raises(
        bakeoff.BakeoffError, match="val: label of image 0: label 'cow' is outside the classes"
    ):
        list_arrays(ImageArrays((images, list("aab")), val=(images[:1], ["cow"]), class_names=["a", "b"]))


class Folder(torch.utils.data.Dataset):
    """A data set as in torchvision: pictures of Pillow, whole numbers, and names in `classes`."""

    classes = ("cat", "dog")

    def __init__(self, pixels, transform=Image.fromarray):
        self.pixels, self.transform = pixels, transform

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):  # raises no IndexError, as some do not
        return self.transform(self.pixels[index % len(self.pixels)]), index % 2


PIXELS = np.random.default_rng(2).integers(0, 256, (6, 5, 7, 3), np.uint8)
CHANNELS_FIRST = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    "dataset",
    [
        Folder(PIXELS),
        Folder(PIXELS, transform=lambda image: torch.from_numpy(image).permute(2, 0, 1) / 255),
        Folder(PIXELS, transform=lambda image: Image.fromarray(image).convert("RGBA")),
        torch.utils.data.Subset(Folder(np.concatenate([PIXELS, PIXELS])), range(6)),
        torch.utils.data.TensorDataset(CHANNELS_FIRST, torch.arange(6) % 2),
        [(Image.fromarray(image), index % 2) for index, image in enumerate(PIXELS)],
        [(image, ("cat", "dog")[index % 2]) for index, image in enumerate(PIXELS)],
        (CHANNELS_FIRST, torch.arange(6) % 2),
        ([Image.fromarray(image) for image in PIXELS], [0, 1] * 3),
    ],
)
def test_data_sets_give_their_images_and_labels(dataset) -> None:
    listing = list_arrays(ImageArrays(dataset))
    assert [image.label for image in listing.splits["train"]] == [0, 1] * 3
    np.testing.assert_array_equal([image.image for image in listing.splits["train"]], PIXELS)
    named = isinstance(dataset, Folder) or (isinstance(dataset, list) and isinstance(dataset[0][1], str))
    assert listing.class_names == (("cat", "dog") if named else ("0", "1"))


def test_floats_are_reported_and_normalized_images_refused() -> None:
    shares = Folder(PIXELS, transform=lambda image: image / 255)
    assert list_arrays(ImageArrays(shares)).notes == (
        "The images are floats in 0..1, which were multiplied by 255.",
    )
    normalized = Folder(PIXELS, transform=lambda image: image / 127.5 - 1)
    with pytest.raises(bakeoff.BakeoffError, match=r"float64 with values from -0.99.* to 1; .*; undo"):
        list_arrays(ImageArrays(normalized))


def test_deep_images_of_pillow_are_not_cut_off_at_255() -> None:
    deep = Image.fromarray(np.full((4, 4), 40_000, np.uint16))
    with pytest.raises(bakeoff.BakeoffError, match="uint16 with values from 40000 to 40000; expected uint8"):
        list_arrays(ImageArrays([(deep, 0), (deep, 1)]))


class Unreadable:
    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise OSError("truncated")


class Endless(Unreadable):
    def __len__(self):
        raise TypeError("a stream has no length")


@pytest.mark.parametrize("names", ["ab", 5, ("a", "a")])
def test_class_names_that_are_no_names_are_refused(names) -> None:
    with pytest.raises(bakeoff.BakeoffError, match=r"class_names: found .*; expected a list of different"):
        list_arrays(ImageArrays([(PIXELS[0], 0), (PIXELS[1], 1)], class_names=names))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (iter([]), "train: found list_iterator; expected .images, labels., or a data set with a length"),
        ([PIXELS[0]], "train: item 0 is not an .image, label.: ValueError: too many values"),
        ([5], "train: item 0 is not an .image, label.: TypeError: cannot unpack"),
        ([("cat.png", 0)], r"train: image 0 is <U7 \[\]; expected \[height, width\]"),
        ([(PIXELS[0], [0, 1])], r"train: labels are int64 \[1, 2\]; expected a list of integers or names"),
        ([], "labels are float64"),
        ([(PIXELS[0], "cat"), (PIXELS[1], None)], "train: the label of image 1 is None; give it one"),
        ([(PIXELS[0], "cat"), (PIXELS[1], float("nan"))], "train: the label of image 1 is nan"),
        ([([[1, 2], [3]], 0)], "train: image 0 is not an image: ValueError: setting an array element"),
        ((PIXELS, [[0], [1, 2]]), r"train: labels are object \[0, 0\]; expected a list of integers"),
        ((PIXELS[:0], np.zeros(0, int)), "train: no images"),
        ((Image.new("L", (4, 4)), 0), "train: found Image for the images; expected several"),
        (Unreadable(), "train: item 0 is not an .image, label.: OSError: truncated; expected a pair"),
        (Endless(), "train: the data set has no length: TypeError: a stream has no length"),
    ],
)
def test_what_is_no_data_set_is_refused(dataset, message) -> None:
    with pytest.raises(bakeoff.BakeoffError, match=message):
        list_arrays(ImageArrays(dataset))


def test_a_dict_names_the_splits() -> None:
    dataset = Folder(PIXELS)
    assert as_image_arrays({"train": dataset, "test": dataset}) == ImageArrays(dataset, test=dataset)
    with pytest.raises(bakeoff.BakeoffError, match="data: found 'valid'; expected a dict with train"):
        as_image_arrays({"train": dataset, "valid": dataset})
    with pytest.raises(bakeoff.BakeoffError, match="data: train is missing; expected a dict with train"):
        as_image_arrays({"test": dataset})
