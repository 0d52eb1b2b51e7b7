"""audit(): real images with planted trouble of every kind, and none where there is none."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.audit.planting import Change, Source, brighter, flipped, grey, reencoded, rescaled, same, shifted

from bakeoff.audit import MAX_DISTANCE, Audit, Finding, audit
from bakeoff.data import load_data
from bakeoff.study.settings.data import DataSettings


@pytest.fixture
def source(tmp_path: Path, photographs: Path) -> Source:
    return Source(tmp_path / "source", photographs)


def kinds(result: Audit) -> list[str]:
    return [finding.kind for finding in result.findings]


def repeats(result: Audit) -> list[Finding]:
    return [finding for finding in result.findings if finding.pairs]


def test_nothing_is_found_in_clean_data(source: Source) -> None:
    # Ten classes in 60 images are unequal; that is a note of its own.
    result = audit(source.load())
    assert repeats(result) == []
    assert [finding for finding in result.findings if "classes" not in finding.kind] == []
    assert result.num_images == 100
    assert result.limits == ()


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


def test_copies_of_one_image_are_one_group_and_counted_each(source: Source) -> None:
    for _ in range(4):
        source.plant_copy(("train", 2), "test", same)
    source.plant_copy(("train", 2), "test", reencoded)
    found = {finding.kind: finding for finding in repeats(audit(source.load()))}
    assert {kind: (f.count, f.num_groups) for kind, f in found.items()} == {
        "identical-train-test": (4, 1),
        "near-train-test": (1, 1),
        "identical-within-test": (4, 1),
        "near-within-test": (1, 1),
    }


def test_uniform_images_are_found_and_not_taken_for_near_duplicates(source: Source) -> None:
    faint = np.full((96, 96, 3), 100, np.uint8)
    faint[20:50, 30:60] = 104
    source.plant("train", Image.fromarray(faint), "0", "grey1.png")
    source.plant("test", Image.fromarray(faint + 1), "0", "grey2.png")
    result = audit(source.load())
    assert repeats(result) == []
    (finding,) = (finding for finding in result.findings if finding.kind == "uniform-images")
    assert [(image.split, image.id) for image in finding.images] == [
        ("train", "grey1.png"),
        ("test", "grey2.png"),
    ]
    assert (finding.severity, finding.count) == ("warning", 2)


def test_many_identical_uniform_images_do_not_explode(source: Source) -> None:
    black = Image.new("RGB", (8, 8))
    for index in range(1500):
        source.plant("train", black, "1", f"black{index}.png")
    found = {finding.kind: finding for finding in audit(source.load()).findings}
    assert found["identical-within-train"].count == 1500
    assert found["identical-within-train"].num_groups == 1
    assert len(found["identical-within-train"].pairs) <= 100
    assert found["uniform-images"].count == 1500


def test_missing_and_unequal_classes(source: Source) -> None:
    source.lines["test"] = [line for line in source.lines["test"] if line[1] != "5"]
    train = source.lines["train"]
    source.lines["train"] = [line for line in train if line[1] != "5"] + [
        line for line in train if line[1] == "5"
    ][:1]
    found = {finding.kind: finding for finding in audit(source.load()).findings}
    assert found["missing-classes-test"].severity == "warning"
    assert "test has no image of 1 of 10 classes: '5'." in found["missing-classes-test"].sentence
    assert found["unequal-classes-train"].severity == "warning"
    assert "1 of '5'" in found["unequal-classes-train"].sentence


def odd(result: Audit) -> dict[str, Finding]:
    return {finding.kind: finding for finding in result.findings if finding.kind.startswith(("odd", "far"))}


def test_images_of_odd_shapes_and_sizes_are_named_the_oddest_first(source: Source) -> None:
    assert odd(audit(source.load())) == {}
    with Image.open(source.directory / source.lines["train"][0][0]) as image:
        whole = image.convert("RGB")
    planted = {
        "wide.png": ("train", (96, 30)),
        "sliver.png": ("test", (96, 10)),
        "high.png": ("val", (20, 96)),
        "not so wide.png": ("train", (96, 33)),
        "icon.png": ("val", (12, 12)),
        "poster.png": ("train", (700, 700)),
        "not so large.png": ("train", (380, 380)),
    }
    for name, (split, size) in planted.items():
        source.plant(split, whole.resize(size), "0", name)
    found = odd(audit(source.load()))
    assert list(found) == ["odd-shapes", "odd-sizes"]
    assert [(image.split, image.id) for image in found["odd-shapes"].images] == [
        ("test", "sliver.png"),
        ("val", "high.png"),
        ("train", "wide.png"),
    ]
    assert [(image.split, image.id) for image in found["odd-sizes"].images] == [
        ("val", "icon.png"),
        ("train", "poster.png"),
    ]
    assert (found["odd-shapes"].severity, found["odd-shapes"].count) == ("warning", 3)
    assert "3 images are far more elongated than the others: 96 x 10 pixels" in found["odd-shapes"].sentence
    assert "12 x 12 to 700 x 700 pixels, where 96 x 96 is the median" in found["odd-sizes"].sentence


def test_images_that_are_all_far_from_square_are_told_once(source: Source) -> None:
    for name, lines in source.lines.items():
        source.lines[name] = []
        for index, (path, label) in enumerate(lines):
            with Image.open(source.directory / path) as image:
                source.plant(name, image.convert("RGB").resize((200, 60)), label, f"{name}-{index}.png")
    (finding,) = odd(audit(source.load())).values()
    assert (finding.kind, finding.count, finding.images) == ("far-from-square", 100, ())
    assert "the median is 200 x 60 pixels" in finding.sentence


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_permuting_images_changes_nothing_but_order(
    tmp_path_factory: pytest.TempPathFactory, photographs: Path, seed: int
) -> None:
    source = Source(tmp_path_factory.mktemp("permuted") / "source", photographs)
    for index, change in enumerate((same, reencoded, shifted(1, 2), flipped)):
        source.plant_copy(("train", 30 + index), "test", change)
        source.plant_copy(("train", 40 + index), "train", change)
        source.plant_copy(("val", index), "val", change, label=str(index))
    one, other = audit(source.load()), audit(source.load(order=np.random.default_rng(seed)))

    def summary(result: Audit) -> set[tuple[object, ...]]:
        return {
            (
                finding.severity,
                finding.kind,
                finding.count,
                finding.num_groups,
                finding.sentence,
                frozenset(
                    (frozenset((pair.first, pair.second)), pair.relation, round(pair.distance, 3))
                    for pair in finding.pairs
                ),
            )
            for finding in result.findings
        }

    assert len(repeats(one)) >= 8
    assert summary(one) == summary(other)


def test_images_too_small_are_searched_for_identical_ones_only(source: Source) -> None:
    source.plant_copy(("train", 1), "test", same)
    source.plant_copy(("train", 2), "test", brighter)
    result = audit(source.load(image_size=16))
    assert [finding.kind for finding in repeats(result)] == ["identical-train-test"]
    assert "16 pixels" in result.limits[0]


def test_digits_hold_nothing_to_report() -> None:
    result = audit(load_data(DataSettings(source="digits", image_size=32)))
    assert result.is_clean
    assert "8 pixels" in result.limits[0]


def test_where_every_image_resembles_others_leaks_are_doubted(source: Source) -> None:
    for index in range(20):
        source.plant_copy(("train", index), "test", brighter)
    result = audit(source.load())
    (finding,) = repeats(result)
    assert (finding.severity, finding.kind, finding.count) == ("warning", "near-train-test", 20)
    assert any("Look at the pairs" in limit for limit in result.limits)


def test_an_audit_goes_through_json_whole(source: Source) -> None:
    source.plant_copy(("train", 1), "test", reencoded)
    extra = Finding("conflict", "elsewhere", 1, "Sentence.", "Advice.")
    result = audit(source.load(), other_findings=(extra,))
    assert [finding.severity for finding in result.findings[:2]] == ["leak", "conflict"]
    read = json.loads(json.dumps(result.to_dict()))
    assert read == json.loads(json.dumps(dataclasses.asdict(result)))
    assert read["findings"][0]["pairs"][0]["second"] == {
        "split": "test",
        "id": "copy-20-test.png",
        "label": source.lines["train"][1][1],
    }
    assert not result.is_clean
