"""Copies of images that were planted, each found once, as what it is."""

from __future__ import annotations

import pytest
from tests.audit.planting import (
    Change,
    Source,
    brighter,
    flipped,
    grey,
    reencoded,
    repeats,
    rescaled,
    same,
    shifted,
)

from bakeoff.audit import MAX_DISTANCE, audit


@pytest.mark.parametrize("image_size", [32, 96])
@pytest.mark.parametrize(
    ("change", "relation"),
    [
        (same, "identical"),
        (reencoded, "near"),
        (shifted(1, 0), "near"),
        (shifted(0, 2), "near"),
        (shifted(2, 2), "near"),
        (brighter, "near"),
        (rescaled, "near"),
        (grey, "near"),
        (flipped, "flipped"),
    ],
)
def test_planted_copies_are_leaks_with_their_pairs(
    source: Source, change: Change, relation: str, image_size: int
) -> None:
    planted = {source.plant_copy(("train", index), "test", change) for index in range(20, 26)}
    found = repeats(audit(source.load(image_size)))
    assert [(finding.severity, finding.kind, finding.count) for finding in found] == [
        ("leak", f"{relation}-train-test", 6)
    ]
    assert found[0].num_groups == 6
    assert {(pair.first.id, pair.second.id) for pair in found[0].pairs} == planted
    for pair in found[0].pairs:
        assert (pair.first.split, pair.second.split, pair.relation) == ("train", "test", relation)
        assert pair.first.label == pair.second.label
        assert pair.distance == 0 if relation == "identical" else 0 <= pair.distance <= MAX_DISTANCE


def test_findings_are_ordered_by_severity_and_say_where(source: Source) -> None:
    source.plant_copy(("train", 3), "train", same)
    source.plant_copy(("train", 4), "train", reencoded)
    source.plant_copy(("train", 5), "val", same)
    source.plant_copy(("val", 6), "test", same)
    source.plant_copy(("train", 7), "test", reencoded)
    other = "0" if source.lines["val"][8][1] != "0" else "1"
    source.plant_copy(("val", 8), "val", same, label=other)
    found = {finding.kind: finding for finding in audit(source.load()).findings if finding.pairs}
    assert {kind: (finding.severity, finding.count) for kind, finding in found.items()} == {
        "near-train-test": ("leak", 1),
        "identical-val-test": ("leak", 1),
        "identical-two-labels": ("conflict", 2),
        "identical-train-val": ("warning", 1),
        "identical-within-train": ("warning", 2),
        "identical-within-val": ("warning", 2),
        "near-within-train": ("note", 2),
    }
    severities = ["leak", "conflict", "warning", "note"]
    order = [severities.index(finding.severity) for finding in found.values()]
    assert order == sorted(order)
    (pair,) = found["identical-two-labels"].pairs
    assert pair.first.label != pair.second.label


def test_a_near_copy_with_another_label_is_a_conflict_and_a_leak(source: Source) -> None:
    other = "0" if source.lines["train"][9][1] != "0" else "1"
    source.plant_copy(("train", 9), "test", brighter, label=other)
    found = {finding.kind: finding.count for finding in repeats(audit(source.load()))}
    assert found == {"near-train-test": 1, "near-two-labels": 2}


def test_the_count_is_that_of_the_images_in_the_pairs(source: Source) -> None:
    source.plant_copy(("train", 2), "train", reencoded)
    source.plant_copy(("train", 2), "train", flipped)
    for finding in repeats(audit(source.load())):
        assert finding.count == len({image for pair in finding.pairs for image in (pair.first, pair.second)})


def test_copies_of_one_image_are_one_group_and_counted_each(source: Source) -> None:
    for _ in range(4):
        source.plant_copy(("train", 2), "test", same)
    source.plant_copy(("train", 2), "test", reencoded)
    found = {finding.kind: finding for finding in repeats(audit(source.load()))}
    assert {kind: (f.count, f.num_groups) for kind, f in found.items()} == {
        "identical-train-test": (4, 1),
        "near-train-test": (1, 1),
        "identical-within-test": (4, 1),
        "near-within-test": (2, 1),  # one of them is identical to others, too
    }
