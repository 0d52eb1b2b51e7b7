"""Images and classes that are unlike the others."""

from __future__ import annotations

import numpy as np
from PIL import Image
from tests.audit.planting import Source, repeats

from bakeoff.audit import Audit, Finding, audit


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


def test_where_every_image_is_uniform_that_is_what_is_found(source: Source) -> None:
    for split in source.lines:
        source.lines[split] = []
        for value in range(10):
            image = Image.new("RGB", (32, 32), (value, len(split), 0))
            source.plant(split, image, str(value % 2), f"{split}-{value}.png")
    result = audit(source.load())
    assert {finding.kind: finding.count for finding in result.findings}["uniform-images"] == 30
    assert not [finding for finding in result.findings if finding.kind.startswith("near")]


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
    assert "stretched to a square" in finding.advice
    (cropped,) = odd(audit(source.load(fit="crop"))).values()
    assert "Only the square in their middle is used" in cropped.advice
    assert odd(audit(source.load(fit="pad"))) == {}


def test_images_that_are_nearly_all_dark_are_mentioned(source: Source) -> None:
    rng = np.random.default_rng(0)
    night = rng.integers(0, 4, (40, 40, 3), np.uint8)
    names = [
        source.plant(split, Image.fromarray(night + 1), "0", f"{split}.png") for split in ("train", "test")
    ]
    lit = night.copy()
    lit[:10, :10] = 200  # a sixteenth
    source.plant("train", Image.fromarray(lit), "0", "lit.png")
    (finding,) = (finding for finding in audit(source.load()).findings if finding.kind == "dark-images")
    assert (finding.severity, finding.count) == ("note", 2)
    assert [image.id for image in finding.images] == names
