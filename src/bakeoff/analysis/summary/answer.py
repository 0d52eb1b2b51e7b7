"""The answer of a study: the recipe that it supports, and how far problems of its data can mislead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.text import counted, percent

if TYPE_CHECKING:
    from bakeoff.store import StoredRun, StoredStudy

GRAVE = ("leak", "conflict")
"""Severities of findings that make an accuracy wrong."""


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
    effect
        By how much leaks and conflicting labels can change an accuracy at most, or that this is not known.
    is_problem
        Whether there are any, or images that may be.
    doubts
        Sentences on what was found without certainty, or not searched for.
    """

    effect: str
    is_problem: bool
    doubts: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it, the effect first."""
        return " ".join((self.effect, *self.doubts))


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
    alike, doubts = _suspects(audit), doubts_of_data(audit)
    grave = grave_findings(audit)
    grave += [finding for finding in audit["findings"] if finding["kind"] == "identical-within-test"]
    affected = min(_num_affected(grave), num_test)
    if affected:
        more = ", or by more if images that look alike are copies" if alike else ""
        effect = (
            f"Data problems can change an accuracy by at most {percent(affected / num_test)} points{more}: "
        )
        effect += _what_affects(grave, affected, num_test)
    elif grave:
        effect = "There are conflicting labels, but of no test image."
    elif at_risk := min(_num_affected(alike), num_test):
        effect = (
            "It is not known whether images that look alike change an accuracy; if they are copies, by at "
            f"most {percent(at_risk / num_test)} points."
        )
    else:
        found = (
            "no test image is identical to a training image, no identical images have two labels."
            if doubts
            else "no test image repeats a training image, no image has two labels."
        )
        effect = (
            "No leak or conflicting label was found that could change an accuracy: "
            f"{counted(audit['num_images'], 'image')} checked, {found}"
        )
    return DataTrust(effect, bool(grave or alike), tuple(doubts))


def _what_affects(grave: list[Mapping[str, Any]], affected: int, num_test: int) -> str:
    """A sentence on the test images that grave findings concern, with the name of a single one."""
    problems = dict.fromkeys(
        "labeled twice"
        if finding["severity"] == "conflict"
        else f"{'grouped with images of' if finding['kind'].startswith('groups') else 'repeated in'} "
        + finding["kind"].removeprefix("identical-within-").removesuffix("-test").split("-")[-1]
        for finding in grave
        if _num_affected([finding])
    )
    names = [name for _, name in _listed(grave, ("test",))]
    name = f" ({names[0]})" if affected == 1 and names else ""
    return (
        f"{affected:,} of {counted(num_test, 'test image')}{name} {'is' if affected == 1 else 'are'} "
        f"{' or '.join(problems)}."
    )


def _suspects(audit: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The findings on test images and labels that are certain only if images that look alike are copies."""
    return [
        finding
        for finding in (audit["findings"] if audit else ())
        if finding["severity"] == "warning"
        and finding["kind"].startswith(("near-", "flipped-"))
        and finding["kind"].endswith(("-test", "-two-labels"))
    ]


def suspected(audit: Mapping[str, Any] | None) -> list[str]:
    """Sentences on test images that look like others, where too many do to call each one a leak."""
    sentences = []
    for where, one, other, splits in (
        ("-train-test", "test image", "training images", ("test",)),
        ("-val-test", "test image", "validation images", ("test",)),
        ("-two-labels", "image", "images with another label", ("train", "val", "test")),
    ):
        suspects = [finding for finding in _suspects(audit) if finding["kind"].endswith(where)]
        if count := _num_affected(suspects, splits):
            sentences.append(f"{counted(count, one)} {'looks' if count == 1 else 'look'} like {other}")
    if not sentences:
        return []
    known = "; whether they are copies is not known: look at the pairs before you remove any."
    return [", ".join(sentences) + known]


def doubts_of_data(audit: Mapping[str, Any] | None) -> list[str]:
    """Sentences on what a stored data check found without certainty, or did not search for."""
    from bakeoff.audit.findings import CROWDED, ONLY_IDENTICAL  # the package takes 0.1 s to import

    doubts = suspected(audit)
    for limit in audit["limits"] if audit else ():
        if limit.startswith(ONLY_IDENTICAL):
            doubts.append(
                "Near duplicates were not searched for: at the size used here, images have too few pixels."
            )
        elif CROWDED in limit:
            doubts.append("Near duplicates may be missing: some images resemble too many others.")
    return doubts


def _num_affected(findings: Sequence[Mapping[str, Any]], splits: Sequence[str] = ("test",)) -> int:
    """The number of images of splits in findings; at most that, where a finding does not list all."""
    from bakeoff.audit.findings import MAX_LISTED  # the package takes 0.1 s to import

    complete = [one for one in findings if 0 < max(len(one["pairs"]), len(one["images"])) < MAX_LISTED]
    unlisted: int = sum(finding["count"] for finding in findings if finding not in complete)
    return len(_listed(complete, splits)) + unlisted


def _listed(findings: Sequence[Mapping[str, Any]], splits: Sequence[str]) -> set[tuple[str, str]]:
    """Split and id of the images of splits that findings list."""
    images = [
        image
        for finding in findings
        for image in (
            *finding["images"],
            *(pair[way] for pair in finding["pairs"] for way in ("first", "second")),
        )
    ]
    return {(image["split"], image["id"]) for image in images if image["split"] in splits}
