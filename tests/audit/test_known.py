"""Which of other images are training images again: planted by hand."""

from dataclasses import replace

import numpy as np
from tests.audit.planting import Source, brighter, flipped, same

from bakeoff.audit.known import find_known
from bakeoff.data.image_data import IDENTICAL, LOOKS_LIKE, NEARLY, NEW, NOT_IDENTICAL


def test_copies_of_training_and_validation_images_are_found(source: Source) -> None:
    source.plant_copy(("train", 5), "test", same)
    source.plant_copy(("val", 3), "test", same, label="1")
    source.plant_copy(("train", 9), "test", brighter)
    source.plant_copy(("train", 11), "test", flipped)
    source.plant_copy(("test", 2), "test", same)
    data = source.load()
    others = data.test
    alone = replace(data, test=replace(others, images=others.images[:20], labels=others.labels[:20]))
    found = find_known(alone, others)
    assert found.tolist() == [NEW] * 20 + [IDENTICAL, IDENTICAL, NEARLY, NEARLY, NEW]


def test_of_small_images_only_identical_ones_count(source: Source) -> None:
    source.plant_copy(("train", 5), "test", same)
    source.plant_copy(("train", 9), "test", brighter)
    data = source.load(image_size=8)
    found = find_known(data, data.test)
    assert (sorted({*found.tolist()}), np.sum(found == IDENTICAL)) == ([IDENTICAL, NOT_IDENTICAL], 1)


def test_where_most_images_look_alike_none_is_called_a_copy(source: Source) -> None:
    for image in range(20):
        source.plant_copy(("train", image), "test", brighter)
    found = find_known(source.load(), source.load().test)
    assert np.sum(found == LOOKS_LIKE) == 20
    assert not np.any(found == NEARLY)
