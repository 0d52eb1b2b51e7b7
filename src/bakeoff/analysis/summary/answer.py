"""The answer of a study: the recipe that it supports, and how far problems of its data can mislead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.text import counted, percent

if TYPE_CHECKING:
    from bakeoff.store import StoredRun, StoredStudy

GRAVE = ("leak", "conflict")
"""Severities of findings that can move an accuracy."""


def val_accuracy(run: StoredRun) -> float:
    """The validation accuracy of the checkpoint, 0..1."""
    rows = np.flatnonzero(run.history["epoch"] == run.checkpoint_epoch)
    if not len(rows):
        raise BakeoffError(
            f"the history of {run.recipe}, seed {run.seed}, lacks epoch {run.checkpoint_epoch}, "
            "the epoch of the checkpoint; the study folder is damaged"
        )
    return float(run.history["val_accuracy"][rows[0]])


def val_accuracies(stored: StoredStudy) -> dict[str, float]:
    """By recipe with a finished run, mean over seeds."""
    return {
        name: float(np.mean([val_accuracy(run) for run in runs]))
        for name in stored.study.recipes
        if (runs := stored.runs_of(name))
    }


def grave_findings(audit: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The findings of a stored data check that can move an accuracy; none if the images were not checked."""
    return [finding for finding in audit["findings"] if finding["severity"] in GRAVE] if audit else []


@dataclass(frozen=True)
class DataTrust:
    """What the data check means for the accuracies.

    Attributes
    ----------
    sentence
        Whether there are problems, and by how much they can move an accuracy at most.
    is_problem
        Whether there are any that can.
    """

    sentence: str
    is_problem: bool


def data_trust(audit: Mapping[str, Any] | None, num_test: int) -> DataTrust:
    """Judge the findings of a stored data check.

    Parameters
    ----------
    audit
        As stored; None if the images were not checked.
    num_test
        Test images.
    """
    if audit is None:
        return DataTrust("The images were not checked for leaks between the splits.", False)
    grave, doubts = grave_findings(audit), doubts_of_data(audit)
    if not grave:
        found = (
            "no test image is identical to a training image, no identical images have two labels."
            if doubts
            else "no test image repeats a training image, no image has two labels."
        )
        checked = f"{counted(audit['num_images'], 'image')} checked: {found}"
        return DataTrust(" ".join((*doubts, checked)), bool(suspected(audit)))
    affected = min(_num_affected(grave), num_test)
    if not affected:
        return DataTrust(" ".join(("There are conflicting labels, but of no test image.", *doubts)), True)
    share = affected / num_test
    are = "is" if affected == 1 else "are"
    certain = (
        f"{affected:,} of {counted(num_test, 'test image')} {are} repeated in another split or labeled "
        f"twice: this can change an accuracy by {percent(share)} points at most."
    )
    return DataTrust(" ".join((certain, *doubts)), True)


def suspected(audit: Mapping[str, Any] | None) -> list[str]:
    """Sentences on test images that look like copies, where too many do to call each one a leak."""
    counts = dict.fromkeys(("training", "validation", "labels"), 0)
    for finding in audit["findings"] if audit else ():
        relation, _, where = finding["kind"].partition("-")
        of = {"train-test": "training", "val-test": "validation", "two-labels": "labels"}.get(where)
        if of and finding["severity"] == "warning" and relation in ("near", "flipped"):
            counts[of] += finding["count"]
    labels = counts.pop("labels")
    sentences = [
        f"{counted(count, 'test image')} {'looks like a copy' if count == 1 else 'look like copies'} of "
        f"{of} images; look at them."
        for of, count in counts.items()
        if count
    ]
    if labels:
        look = "looks like a copy" if labels == 1 else "look like copies"
        sentences.append(f"{counted(labels, 'image')} {look} of an image with another label.")
    return sentences


def doubts_of_data(audit: Mapping[str, Any] | None) -> list[str]:
    """Sentences on what a stored data check found without certainty, or did not search for."""
    from bakeoff.audit.findings import CROWDED, ONLY_IDENTICAL  # the package takes 0.1 s to import

    doubts = suspected(audit)
    for limit in audit["limits"] if audit else ():
        if limit.startswith(ONLY_IDENTICAL):
            doubts.append("Near duplicates were not searched for: the images are too small.")
        elif CROWDED in limit:
            doubts.append(limit)
    return doubts


def _num_affected(findings: list[Mapping[str, Any]]) -> int:
    """The number of test images in these findings; at most that, where a finding does not list all."""
    from bakeoff.audit.findings import MAX_LISTED  # the package takes 0.1 s to import

    listed: set[str] = set()
    unlisted = 0
    for finding in findings:
        pairs, images = finding["pairs"], finding["images"]
        if max(len(pairs), len(images)) >= MAX_LISTED or not (pairs or images):
            unlisted += finding["count"]
            continue
        named = [image for pair in pairs for image in (pair["first"], pair["second"])] + list(images)
        listed |= {image["id"] for image in named if image["split"] == "test"}
    return len(listed) + unlisted
