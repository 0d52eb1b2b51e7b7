import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.data.sources.listing import ListedImage, Listing
from bakeoff.data.splits import complete_splits
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings

CLASS_NAMES = ("a", "b", "c")
GOLDEN_TEST = ["0/4", "0/8", "1/1", "1/3", "2/3", "2/7"]
GOLDEN_VAL = ["0/2", "0/6", "1/0", "1/4", "2/0", "2/8"]


def images(prefix, *counts):
    return [
        ListedImage(f"{prefix}{label}/{index}", label, "unused")
        for label, count in enumerate(counts)
        for index in range(count)
    ]


def ids(listing, name):
    return [image.id for image in listing.splits[name]]


@given(
    counts=st.tuples(*[st.integers(10, 60)] * 3),
    val=st.floats(0.01, 0.4),
    test=st.floats(0.01, 0.4),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_class_gives_its_share_and_each_image_goes_to_one_split(counts, val, test, seed):
    settings = DataSettings(val_fraction=val, test_fraction=test, split_seed=seed)
    cut = complete_splits(Listing({"train": images("", *counts)}, CLASS_NAMES), settings)
    for name, fraction in (("val", val), ("test", test)):
        found = Counter(image.label for image in cut.splits[name])
        assert [found[label] for label in range(3)] == [max(1, round(fraction * count)) for count in counts]
    together = [*ids(cut, "train"), *ids(cut, "val"), *ids(cut, "test")]
    assert sorted(together) == sorted(image.id for image in images("", *counts))


def test_the_cut_depends_on_the_seed_but_not_on_the_order():
    listed = images("", 30, 30, 30)
    shuffled = random.Random(1).sample(listed, len(listed))
    one = complete_splits(Listing({"train": listed}, CLASS_NAMES), DataSettings())
    two = complete_splits(Listing({"train": shuffled}, CLASS_NAMES), DataSettings())
    other = complete_splits(Listing({"train": listed}, CLASS_NAMES), DataSettings(split_seed=1))
    for name in ("train", "val", "test"):
        assert set(ids(one, name)) == set(ids(two, name))
        assert set(ids(one, name)) != set(ids(other, name))


def test_the_cut_of_a_seed_never_changes():
    cut = complete_splits(Listing({"train": images("", 10, 10, 10)}, CLASS_NAMES), DataSettings())
    assert ids(cut, "test") == GOLDEN_TEST
    assert ids(cut, "val") == GOLDEN_VAL


def test_the_order_of_listing_is_kept():
    cut = complete_splits(Listing({"train": images("", 30, 30, 30)}, CLASS_NAMES), DataSettings())
    order = [image.id for image in images("", 30, 30, 30)]
    for name in ("train", "val", "test"):
        assert ids(cut, name) == sorted(ids(cut, name), key=order.index)


def grouped(*sizes_of_classes):
    """Images of classes 0, 1, ..., in groups of these sizes."""
    return [
        ListedImage(f"{label}/{number}/{index}", label, "unused", f"{label}-{number}")
        for label, sizes in enumerate(sizes_of_classes)
        for number, size in enumerate(sizes)
        for index in range(size)
    ]


@given(
    sizes=st.tuples(*[st.lists(st.integers(1, 9), min_size=8, max_size=40)] * 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_groups_never_cross_splits_and_each_class_gives_about_its_share(sizes, seed):
    cut = complete_splits(Listing({"train": grouped(*sizes)}, CLASS_NAMES), DataSettings(split_seed=seed))
    split_of = {}
    for name, images_of_split in cut.splits.items():
        for image in images_of_split:
            assert split_of.setdefault(image.group, name) == name
    assert sum(map(len, cut.splits.values())) == sum(map(sum, sizes))
    for name, fraction in (("val", 0.15), ("test", 0.2)):
        counts = Counter(image.label for image in cut.splits[name])
        for label in range(3):
            assert abs(counts[label] - fraction * sum(sizes[label])) <= max(sizes[label])
    assert {image.label for image in cut.splits["train"]} == {0, 1, 2}


def test_groups_of_one_image_are_cut_as_images_are():
    plain = images("", 30, 30, 30)
    single = [image._replace(group=image.id) for image in plain]
    one, two = (complete_splits(Listing({"train": i}, CLASS_NAMES), DataSettings()) for i in (plain, single))
    assert [ids(one, name) for name in one.splits] == [ids(two, name) for name in two.splits]
    assert one.notes == two.notes


def test_a_group_of_several_classes_stays_whole_and_that_is_noted():
    mixed = [
        ListedImage(f"{group}/{index}", index % 3, "unused", str(group))
        for group in range(40)
        for index in range(5)
    ]
    cut = complete_splits(Listing({"train": mixed}, CLASS_NAMES), DataSettings())
    groups = [{image.group for image in cut.splits[name]} for name in ("train", "val", "test")]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 40
    assert "stratified, in whole groups, with split seed 0" in cut.notes[0]


def test_a_class_of_too_few_groups_is_refused():
    listing = Listing({"train": grouped([9] * 9, [40, 50], [9] * 9)}, CLASS_NAMES)
    with pytest.raises(
        BakeoffError, match="'b' has 90 training images in 2 groups, too few to cut test and val"
    ):
        complete_splits(listing, DataSettings())


def test_given_splits_stay_as_they_are():
    listing = Listing({"train": images("", 20, 20, 20), "test": images("t", 2, 2, 2)}, CLASS_NAMES, ("note",))
    cut = complete_splits(listing, DataSettings())
    assert cut.splits["test"] == listing.splits["test"]
    assert len(cut.splits["val"]) == 9
    assert cut.notes[0] == "note"
    assert "no val split" in cut.notes[1]
    assert "val (15 % of each class) was cut" in cut.notes[1]
    whole = Listing({**cut.splits}, CLASS_NAMES)
    assert complete_splits(whole, DataSettings()) is whole


def test_fractions_that_leave_nothing_are_refused():
    with pytest.raises(BakeoffError, match=r"data.val_fraction 0.5 and data.test_fraction 0.6 leave nothing"):
        complete_splits(
            Listing({"train": images("", 9, 9, 9)}, CLASS_NAMES),
            DataSettings(val_fraction=0.5, test_fraction=0.6),
        )


def test_a_class_too_small_is_refused():
    with pytest.raises(BakeoffError, match="'b' has 2 training images, too few to cut test and val"):
        complete_splits(Listing({"train": images("", 9, 2, 9)}, CLASS_NAMES), DataSettings())


@pytest.mark.parametrize("splits", [{}, {"train": []}, {"val": images("", 2, 2), "test": images("", 2, 2)}])
def test_a_source_without_training_images_is_refused(splits):
    with pytest.raises(BakeoffError, match="no training images"):
        complete_splits(Listing(splits, CLASS_NAMES), DataSettings())
