"""Groups that splits share, and groups that near copies and names suggest."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from tests.audit.planting import Source, brighter, flipped, same

from bakeoff.audit import audit
from bakeoff.audit.auditing import linked_images
from bakeoff.audit.groups import find_shared_groups, linked_groups, propose_groups
from bakeoff.data import load_data
from bakeoff.study.settings.data import DataSettings


def test_images_that_are_linked_through_others_are_one_group(source: Source) -> None:
    original, copy = source.plant_copy(("train", 5), "train", brighter)
    _, mirror = source.plant_copy(("train", 5), "test", flipped)
    groups = linked_groups(linked_images(source.load()))
    assert groups["train", original] == groups["train", copy] == groups["test", mirror] == original
    assert len(set(groups.values())) == len(groups) - 2


def test_groups_in_two_splits_are_leaks(source: Source) -> None:
    data = source.load(groups=r"photographs/\w+/(\d)")
    findings = {finding.kind: finding for finding in find_shared_groups(linked_images(data))}
    assert [findings[kind].severity for kind in ("groups-train-val", "groups-train-test")] == [
        "warning",
        "leak",
    ]
    in_train = set(data.train.groups)
    leaked = [group for group in data.test.groups if group in in_train]
    assert findings["groups-train-test"].count == len(leaked) > 0
    assert findings["groups-train-test"].num_groups == len(set(leaked))
    assert f"belong to {len(set(leaked))} group" in findings["groups-train-test"].sentence
    alone = dataclasses.replace(
        data,
        **{name: dataclasses.replace(data.split(name), groups=None) for name in ("train", "val", "test")},
    )
    assert find_shared_groups(linked_images(alone)) == []


def test_near_copies_suggest_groups(source: Source) -> None:
    for index in range(10):
        source.plant_copy(("train", index), "train", same)
    (finding,) = propose_groups(linked_images(source.load()))
    assert finding.kind == "groups-of-near-duplicates"
    assert (finding.severity, finding.count, finding.num_groups) == ("note", 20, 100)
    assert (
        "20 images of 110 are near duplicates of another one; as groups, they would make 100 groups"
        in finding.sentence
    )
    grouped = audit(source.load(groups="(.*)"))
    assert all(not finding.kind.startswith("groups") for finding in grouped.findings)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("patient{}_frame{}.png", "patient3"),
        ("Subject-{} view {}.png", "Subject-3"),
        ("x{}-{}.png", "x3"),
        ("p{}/{}.png", "p3"),
        ("{}.{}.png", None),
        ("img_{}{}.png", None),
    ],
)
def test_names_suggest_groups(photographs, tmp_path, name: str, group: str | None) -> None:
    files = sorted((photographs / "train").iterdir())
    for index in range(60):
        target = tmp_path / ("a", "b")[index % 2] / name.format(index // 6, index % 6)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files[index * 7], target)
    data = load_data(DataSettings(source=f"folder:{tmp_path}"))
    found = [f for f in propose_groups(linked_images(data)) if f.kind == "groups-by-name"]
    if group is None:
        assert found == []
        return
    (finding,) = found
    assert "10 groups in all" in finding.sentence
    pattern = finding.advice.split("'")[1]
    grouped = load_data(DataSettings(source=f"folder:{tmp_path}", groups=pattern))
    groups = [set(grouped.split(split).groups) for split in ("train", "val", "test")]
    assert group in set.union(*groups)
    assert sum(map(len, groups)) == len(set.union(*groups)) == 10
    assert np.unique(grouped.train.groups, return_counts=True)[1].max() == 6
