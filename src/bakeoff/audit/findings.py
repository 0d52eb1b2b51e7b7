"""Audit and Finding: the problems of a data set, as plain values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from bakeoff.data.image_data import SplitName

Severity = Literal["leak", "conflict", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("leak", "conflict", "warning", "note")

Relation = Literal["identical", "near", "flipped"]
RELATIONS: tuple[Relation, ...] = ("identical", "near", "flipped")


@dataclass(frozen=True)
class ImageName:
    """An image's split, its id in that split, and the name of its class."""

    split: SplitName
    id: str
    label: str


@dataclass(frozen=True)
class Pair:
    """Two images that are identical or near duplicates.

    Attributes
    ----------
    first, second
        In the order train, val, test, and in the order of the split.
    relation
        `identical` pixel for pixel after resizing, `near` duplicates, or near duplicates after a horizontal
        flip (`flipped`).
    distance
        1 minus the correlation of the detail, 0 for identical images; see `bakeoff.audit.duplicates`.
    """

    first: ImageName
    second: ImageName
    relation: Relation
    distance: float


@dataclass(frozen=True)
class Finding:
    """One kind of problem.

    Attributes
    ----------
    severity
        `leak`: the test split is not unseen. `conflict`: one image has two labels. `warning`: it may distort
        a comparison. `note`: worth knowing.
    kind
        A stable name for programs, such as `near-train-test`.
    count
        The number of images concerned (for a leak, of test images), or of classes or files.
    num_groups
        The number of groups of linked images that they form; 0 where that has no meaning.
    sentence
        What was found.
    advice
        What to do.
    pairs, images
        The first ones, closest pairs first, at most `MAX_LISTED` of each.
    """

    severity: Severity
    kind: str
    count: int
    sentence: str
    advice: str
    num_groups: int = 0
    pairs: tuple[Pair, ...] = ()
    images: tuple[ImageName, ...] = ()


ONLY_IDENTICAL = "Only identical images were searched for"
"""So begins the limit of a check of images that are too small for near duplicates."""

CROWDED = "others were candidates for near duplicates"
"""A part of the limit of a check in which some images were not compared with all that are similar."""

MAX_LISTED = 100
"""A finding lists at most this many pairs and images; `count` counts all."""


@dataclass(frozen=True)
class Audit:
    """The findings in a data set.

    Attributes
    ----------
    source, fingerprint
        Of the data.
    num_images
        In all three splits.
    findings
        The most severe first.
    limits
        Sentences on what was not checked, and why.
    """

    source: str
    fingerprint: str
    num_images: int
    findings: tuple[Finding, ...]
    limits: tuple[str, ...]

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def is_clean(self) -> bool:
        """Whether there are no findings except notes."""
        return all(finding.severity == "note" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The audit as dicts, lists, strings and numbers, for JSON."""
        return dataclasses.asdict(self)


def by_severity(findings: list[Finding]) -> tuple[Finding, ...]:
    """Sort findings, the most severe first, otherwise in their order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
