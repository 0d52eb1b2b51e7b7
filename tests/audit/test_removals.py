"""The images to remove: all of them, and without them the check finds no repeated image."""

import csv
import io
from pathlib import Path

from tests.audit.planting import Source, flipped, reencoded, same

from bakeoff.audit import MAX_DISTANCE, audit
from bakeoff.audit.auditing import linked_images
from bakeoff.audit.findings import MAX_LISTED
from bakeoff.audit.removals import list_removals, removals_csv


def listed(source: Source) -> list[dict[str, str]]:
    text = removals_csv(list_removals(linked_images(source.load())))
    return list(csv.DictReader(io.StringIO(text)))


def remove(source: Source, rows: list[dict[str, str]]) -> None:
    gone = {(row["split"], row["path"]) for row in rows}
    for split, lines in source.lines.items():
        source.lines[split] = [line for line in lines if (split, line[0]) not in gone]


def test_without_them_the_check_finds_nothing(source: Source) -> None:
    assert listed(source) == []
    kept = {("test", path) for path, _ in source.lines["test"]}
    source.plant_copy(("train", 3), "test", same)
    source.plant_copy(("train", 4), "test", reencoded)
    source.plant_copy(("val", 5), "test", flipped)
    source.plant_copy(("train", 6), "val", same)
    source.plant_copy(("train", 7), "train", same)
    source.plant_copy(("train", 7), "train", same)
    other = "0" if source.lines["train"][8][1] != "0" else "1"
    source.plant_copy(("train", 8), "train", reencoded, label=other)
    rows = listed(source)
    assert [(row["split"], row["reason"]) for row in rows] == [
        ("train", "identical to a test image"),
        ("train", "near duplicate of a test image"),
        ("val", "mirrored copy of a test image"),
        ("train", "identical to a val image"),
        ("train", "near duplicate of an image with another label"),
        ("train", "near duplicate of an image with another label"),
        ("train", "identical to another train image"),
        ("train", "identical to another train image"),
    ]
    assert all(row["distance"] == "0.0" for row in rows if "identical" in row["reason"])
    assert all(0 < float(row["distance"]) <= MAX_DISTANCE for row in rows if "near" in row["reason"])
    remove(source, rows)
    assert {finding.kind for finding in audit(source.load()).findings if finding.pairs} == set()
    assert {("test", path) for path, _ in source.lines["test"]} > kept


def test_all_are_listed(tmp_path: Path, photographs: Path) -> None:
    source = Source(tmp_path / "source", photographs, train=300)
    number = MAX_LISTED + 10
    planted = [source.plant_copy(("train", index), "test", same)[0] for index in range(0, 2 * number, 2)]
    rows = listed(source)  # two of the photographs are near duplicates themselves
    assert [row["path"] for row in rows if row["reason"] == "identical to a test image"] == planted
    remove(source, listed(source))
    assert listed(source) == []
