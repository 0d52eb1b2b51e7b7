"""Links between images, asked about with images that were planted by hand."""

import numpy as np
import pytest
from tests.audit.planting import Source, brighter, flipped, same

from bakeoff.audit.images import uniform_images
from bakeoff.audit.links import Images


def linked(source: Source, *, search_near: bool = True) -> Images:
    data = source.load()
    return Images(data, uniform_images(data), search_near=search_near)


def anybody(partner: int, image: int) -> bool:
    return True


def test_images_are_numbered_through_the_splits(source: Source) -> None:
    images = linked(source, search_near=False)
    assert len(images) == 100
    assert [images.name(number).split for number in (0, 59, 60, 79, 80, 99)] == [
        "train", "train", "val", "val", "test", "test",
    ]  # fmt: skip
    assert images.name(80).id == source.lines["test"][0][0]


def test_each_image_has_its_strongest_relation_and_its_nearest_partner(source: Source) -> None:
    original, copy = source.plant_copy(("train", 5), "test", same)
    _, near = source.plant_copy(("train", 5), "test", brighter)
    mirrored, mirror = source.plant_copy(("train", 9), "val", flipped)
    images = linked(source)
    found = {
        relation: {(images.name(match.image).id, images.name(match.partner).id) for match in matches}
        for relation, matches in images.matches(anybody).items()
    }
    assert found["identical"] == {(original, copy), (copy, original)}
    assert found["near"] == {(near, original)}
    assert found["flipped"] == {(mirrored, mirror), (mirror, mirrored)}
    assert images.share_with_near_duplicates() == pytest.approx(5 / 103)


def test_only_partners_that_are_allowed_are_given(source: Source) -> None:
    source.plant_copy(("train", 5), "test", same)
    source.plant_copy(("train", 6), "train", same)
    images = linked(source, search_near=False)
    across = images.matches(lambda partner, image: images.split[partner] != images.split[image])
    assert [(match.partner, match.image) for match in across["identical"]] == [(101, 5), (5, 101)]
    assert images.matches(lambda partner, image: False) == {"identical": [], "near": [], "flipped": []}


def test_copies_of_a_copy_are_one_group(source: Source) -> None:
    for _ in range(3):
        source.plant_copy(("train", 1), "test", same)
    source.plant_copy(("train", 2), "val", same)
    images = linked(source, search_near=False)
    matches = images.matches(anybody)["identical"]
    assert len(matches) == 6
    assert images.num_groups(matches) == 2


def test_images_without_content_are_linked_by_identity_alone(source: Source) -> None:
    source.plant_copy(("train", 4), "test", brighter)
    source.plant_copy(("train", 5), "test", same)
    data = source.load()
    uniform = np.zeros(102, bool)
    uniform[[4, 100]] = True  # the first pair, said to be without content
    assert [link.rank for link in Images(data, uniform, search_near=True).links] == [0]
    assert [link.rank for link in Images(data, np.zeros(102, bool), search_near=True).links] == [0, 1]
