import pytest

from bakeoff.data.groups import group_by_id, group_notes
from bakeoff.data.sources.listing import ListedImage, Listing
from bakeoff.errors import BakeoffError


def listing(train, val=(), test=(), group=""):
    splits = {"train": train, "val": val, "test": test}
    return Listing(
        {
            name: [ListedImage(image_id, 0, "unused", group) for image_id in ids]
            for name, ids in splits.items()
        },
        ("a", "b"),
        ("note",),
    )


def groups(grouped, name):
    return [image.group for image in grouped.splits[name]]


def test_the_first_group_of_the_expression_names_the_group():
    grouped = group_by_id(
        listing(["a/p1_1.png", "a/p1_2.png", "b/p22_1.png"], ["b/p3_9.png"]), r"/(p\d+)_(\d)"
    )
    assert groups(grouped, "train") == ["p1", "p1", "p22"]
    assert groups(grouped, "val") == ["p3"]
    assert grouped.notes == ("note",)


@pytest.mark.parametrize("pattern", [r"(p\d+)_", r"(p\d+)?"])
def test_ids_without_a_group_are_refused(pattern):
    ids = ["p1_1.png", *(f"other{index}.png" for index in range(11))]
    with pytest.raises(
        BakeoffError, match=r"finds no group in the ids of 11 images; change it.*\n  'other0.png'"
    ) as caught:
        group_by_id(listing(ids), pattern)
    assert "1 more (11 in all)" in str(caught.value)


def test_groups_of_the_source_are_not_replaced():
    with pytest.raises(BakeoffError, match=r"the source names groups, and so does data.groups"):
        group_by_id(listing(["p1"], group="g"), "(p)")


def test_the_number_of_groups_and_those_in_two_splits_are_noted():
    assert group_notes(listing(["1", "2"])) == ()
    grouped = group_by_id(listing(["a1", "a2", "b1"], ["b2"], ["c1", "b3", "a3"]), "(.)")
    assert group_notes(grouped) == (
        "The images form groups: 2 in train, 1 in val and 3 in test.",
        "1 group in both train and val, such as 'b': images in val are not independent of those in train.",
        "2 groups in both train and test, such as 'a': images in test are not independent of those in train.",
        "1 group in both val and test, such as 'b': images in test are not independent of those in val.",
    )
