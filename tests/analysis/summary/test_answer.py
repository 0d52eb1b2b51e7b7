"""How far problems of the data can move an accuracy."""

import pytest

from bakeoff.analysis.summary.answer import data_trust
from bakeoff.audit.findings import CROWDED, MAX_LISTED, ONLY_IDENTICAL


def finding(severity="leak", count=1, pairs=(), images=(), kind="identical-train-test"):
    return {"kind": kind, "severity": severity, "count": count, "pairs": list(pairs), "images": list(images)}


def pair(first, second):
    return {
        "first": {"split": first[0], "id": first[1]},
        "second": {"split": second[0], "id": second[1]},
    }


def audit(*findings, limits=()):
    return {"num_images": 1000, "findings": list(findings), "limits": list(limits)}


def test_without_a_check_nothing_is_known() -> None:
    assert data_trust(None, 100).sentence == "The images were not checked for leaks between the splits."


def test_a_clean_check_says_what_was_checked() -> None:
    found = data_trust(audit(finding("warning", 7), finding("note", 3)), 100)
    assert not found.is_problem
    assert "1,000 images checked, no test image repeats a training image" in found.sentence


def test_a_test_image_in_several_findings_counts_once() -> None:
    leaks = finding(count=2, pairs=[pair(("train", "a"), ("test", "x")), pair(("train", "b"), ("test", "y"))])
    conflict = finding("conflict", 2, pairs=[pair(("test", "x"), ("train", "c"))])
    found = data_trust(audit(leaks, conflict), 200)
    assert found.is_problem
    assert found.sentence == (
        "Data problems can change an accuracy by at most 1.0 points: "
        "2 of 200 test images are repeated in train or labeled twice."
    )


@pytest.mark.parametrize(("num_test", "points"), [(1000, "15.0"), (100, "100.0")])
def test_where_a_finding_does_not_list_all_its_number_is_the_limit(num_test: int, points: str) -> None:
    listed = [pair(("train", str(i)), ("test", str(i))) for i in range(MAX_LISTED)]
    found = data_trust(audit(finding(count=150, pairs=listed)), num_test)
    assert f"by at most {points} points" in found.sentence


def test_conflicts_in_training_images_alone_are_said() -> None:
    found = data_trust(audit(finding("conflict", 2, pairs=[pair(("train", "a"), ("train", "b"))])), 100)
    assert found.sentence == "There are conflicting labels, but of no test image."


def test_images_that_look_like_copies_are_said_and_absence_is_not_claimed() -> None:
    near = finding("warning", 70, kind="near-train-test")
    flipped = finding("warning", 4, kind="flipped-train-test")
    labels = finding("warning", 2, kind="near-two-labels")
    found = data_trust(audit(near, flipped, labels), 100)
    assert found.is_problem
    assert found.sentence == (
        "It is not known whether images that look alike change an accuracy; if they are copies, by at most "
        "76.0 points. 74 test images look like training images, 2 images look like images with another "
        "label; whether they are copies is not known: look at the pairs before you remove any."
    )
    assert "repeats" not in found.sentence
    beside_a_leak = data_trust(
        audit(finding(count=1, pairs=[pair(("train", "a"), ("test", "x"))]), near), 100
    )
    assert beside_a_leak.sentence.startswith(
        "Data problems can change an accuracy by at most 1.0 points, or by more if images that look alike "
        "are copies: 1 of 100 test images (x) is repeated in train. 70 test images look like training images"
    )


def test_an_image_twice_in_test_weighs_twice() -> None:
    twice = finding("warning", 2, [pair(("test", "x"), ("test", "y"))], kind="identical-within-test")
    assert data_trust(audit(twice), 100).sentence == (
        "Data problems can change an accuracy by at most 2.0 points: 2 of 100 test images are "
        "repeated in test."
    )


def test_an_image_in_two_findings_on_labels_counts_once() -> None:
    pairs = [pair(("train", "a"), ("train", "b"))], [pair(("train", "b"), ("val", "c"))]
    near, flipped = (
        finding("warning", 2, each, kind=f"{kind}-two-labels")
        for kind, each in zip(("near", "flipped"), pairs, strict=True)
    )
    assert "3 images look like images with another label" in data_trust(audit(near, flipped), 100).sentence


def test_what_was_not_searched_for_is_not_said_to_be_absent() -> None:
    found = data_trust(audit(limits=[f"{ONLY_IDENTICAL}, not near duplicates: ..."]), 100)
    assert not found.is_problem
    assert found.sentence == (
        "No leak or conflicting label was found that could change an accuracy: "
        "1,000 images checked, no test image is identical to a training image, no identical "
        "images have two labels. Near duplicates were not searched for: at the size used here, images have "
        "too few pixels."
    )


def test_near_duplicates_that_were_not_all_compared_are_not_said_to_be_absent() -> None:
    limit = f"For 9 images, more than 20 {CROWDED}; only the 20 most similar were compared in detail."
    found = data_trust(audit(limits=[limit]), 100)
    assert "1,000 images checked, no test image is identical to" in found.sentence
    assert found.sentence.endswith("Near duplicates may be missing: some images resemble too many others.")
