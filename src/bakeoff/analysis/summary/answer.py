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
    grave = grave_findings(audit)
    if not grave:
        return DataTrust(
            f"{counted(audit['num_images'], 'image')} checked: no test image repeats a training image, no "
            "image has two labels.",
            False,
        )
    affected = min(_num_affected(grave), num_test)
    if not affected:
        return DataTrust("There are conflicting labels, but of no test image.", True)
    share = affected / num_test
    are = "is" if affected == 1 else "are"
    return DataTrust(
        f"{affected:,} of {counted(num_test, 'test image')} {are} repeated in another split or labeled "
        f"twice: this can change an accuracy by {percent(share)} points at most.",
        True,
    )


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
