"""The training and validation images that a run draws: sizes, classes, groups, and what it depends on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bakeoff.data.drawing import groups_digest, images_of_run, pool_groups
from bakeoff.data.image_data import ImageData, Split
from bakeoff.errors import BakeoffError

COUNTS = {"train": [40, 25, 10], "val": [8, 5, 2], "test": [5, 5, 5]}


def split_of(name: str, groups: bool = False) -> Split:
    labels = np.repeat(np.arange(3), COUNTS[name])
    images = np.random.default_rng(len(name)).integers(0, 256, (len(labels), 4, 4, 1), np.uint8)
    ids = tuple(f"{name}/{index}" for index in range(len(labels)))
    return Split(
        images, labels, ids, tuple(f"g{index // 3}" for index in range(len(labels))) if groups else None
    )


@pytest.fixture
def data() -> ImageData:
    splits = {name: split_of(name) for name in COUNTS}
    return ImageData(
        **splits,
        class_names=("a", "b", "c"),
        mean=(0.5,),
        std=(0.25,),
        source="test",
        fingerprint="f" * 64,
        notes=(),
        directory=Path("nowhere"),
    )


def pixels(split: Split) -> dict[str, bytes]:
    return {name: image.tobytes() for name, image in zip(split.ids, split.images, strict=True)}


def drawn(data: ImageData, seed: int, **settings: object) -> ImageData:
    return images_of_run(data, seed, **{"own_split": True, "size": None, **settings})  # type: ignore[arg-type]


def test_each_seed_draws_another_split_of_the_same_pool_stratified(data: ImageData) -> None:
    pool = pixels(data.train) | pixels(data.val)
    kept = set()
    for seed in range(5):
        run = drawn(data, seed)
        assert np.bincount(run.train.labels).tolist() == COUNTS["train"]
        assert np.bincount(run.val.labels).tolist() == COUNTS["val"]
        assert pixels(run.train) | pixels(run.val) == pool
        assert not set(run.train.ids) & set(run.val.ids)
        assert run.test is data.test
        kept.add(run.val.ids)
        share = np.mean([name.startswith("val/") for name in run.val.ids])
        assert share < 0.6  # not those of the source again
    assert len(kept) == 5
    assert drawn(data, 3).val.ids == drawn(data, 3).val.ids


def test_each_image_is_held_out_about_as_often_as_any_other(data: ImageData) -> None:
    counts = dict.fromkeys((*data.train.ids, *data.val.ids), 0)
    for seed in range(400):
        for name in drawn(data, seed).val.ids:
            counts[name] += 1
    # 15 of 90 images, or 1 in 6 of each class: about 67 of 400 times, with a standard deviation of 7.5.
    assert min(counts.values()) > 35
    assert max(counts.values()) < 100


def test_mean_and_deviation_are_those_of_the_drawn_images(data: ImageData) -> None:
    run = drawn(data, 1)
    values = run.train.images.astype(float) / 255
    assert run.mean == pytest.approx((values.mean(),))
    assert run.std == pytest.approx((values.std(),))
    assert run.fingerprint != data.fingerprint
    assert run.fingerprint != drawn(data, 2).fingerprint


def test_groups_stay_whole_and_change_the_draw(data: ImageData) -> None:
    with_groups = replace(data, train=split_of("train", groups=True), val=split_of("val", groups=True))
    groups = pool_groups(with_groups)
    assert groups is not None
    group_of = dict(zip((*data.train.ids, *data.val.ids), groups, strict=True))
    for seed in range(5):
        run = drawn(data, seed, groups=groups)
        assert not {group_of[name] for name in run.train.ids} & {group_of[name] for name in run.val.ids}
        assert abs(len(run.val) - len(data.val)) <= 6
    assert pool_groups(data) is None
    assert groups_digest(None) == ""
    assert groups_digest(groups) != groups_digest(("other", *groups[1:]))


def test_a_class_in_one_group_cannot_be_divided(data: ImageData) -> None:
    labels = (*data.train.labels.tolist(), *data.val.labels.tolist())
    groups = tuple("only" if label == 2 else f"g{index}" for index, label in enumerate(labels))
    with pytest.raises(BakeoffError, match=r"seed 0 would train on .* without one of class 'c'; expected"):
        drawn(data, 0, groups=groups)


def test_ids_that_both_splits_have_stay_apart(data: ImageData) -> None:
    same = tuple(str(index) for index in range(75))
    data = replace(data, train=replace(data.train, ids=same), val=replace(data.val, ids=same[:15]))
    run = drawn(data, 0)
    assert len({*run.train.ids, *run.val.ids}) == 90


def test_parts_are_nested_stratified_and_of_the_size_asked_for(data: ImageData) -> None:
    before: set[str] = set()
    for size in (8, 15, 30, 60):
        run = images_of_run(data, 2, own_split=False, size=size)
        assert len(run.train) == size
        expected = np.array(COUNTS["train"]) * size / 75
        assert (abs(np.bincount(run.train.labels) - expected) <= 1).all()
        assert before < set(run.train.ids)
        assert run.val is data.val
        before = set(run.train.ids)
    assert images_of_run(data, 2, own_split=False, size=30).train.ids != (
        images_of_run(data, 3, own_split=False, size=30).train.ids
    )
    assert set(images_of_run(data, 2, own_split=False, size=75).train.ids) == set(data.train.ids)


def test_a_part_holds_whole_groups(data: ImageData) -> None:
    with_groups = replace(data, train=split_of("train", groups=True), val=split_of("val", groups=True))
    groups = pool_groups(with_groups)
    assert groups is not None
    run = images_of_run(data, 0, own_split=False, size=30, groups=groups)
    group_of = dict(zip(data.train.ids, groups, strict=False))
    inside = {group_of[name] for name in run.train.ids}
    assert {name for name in data.train.ids if group_of[name] in inside} == set(run.train.ids)
    assert abs(len(run.train) - 30) <= 2


def test_a_part_without_a_class_is_refused(data: ImageData) -> None:
    with pytest.raises(BakeoffError, match="seed 0 would train on 2 images without one of class"):
        images_of_run(data, 0, own_split=False, size=2)
