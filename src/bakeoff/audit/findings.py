"""Audit and Finding: what was found wrong with a data set, as plain values."""

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
    """Which image: its split, its id in that split, and the name of its class."""

    split: SplitName
    id: str
    label: str


@dataclass(frozen=True)
class Pair:
    """Two images that are the same, or nearly.

    Attributes
    ----------
    first, second
        In the order train, val, test, and in the order of the split.
    relation
        `identical` pixel for pixel after resizing, `near` duplicates, or near after a horizontal flip.
    distance
        1 minus the correlation of the detail, 0 for identical images; see `near_duplicates`.
    """

    first: ImageName
    second: ImageName
    relation: Relation
    distance: float


@dataclass(frozen=True)
class Finding:
    """One kind of trouble.

    Attributes
    ----------
    severity
        `leak`: the test split is not unseen. `conflict`: one image has two labels. `warning`: it may spoil
        a comparison. `note`: worth knowing.
    kind
        A stable name for programs, such as `near-train-test`.
    count
        Images concerned; for a leak those of the test split; for classes and files, how many of them.
    num_groups
        Groups that the images fall into when all that are linked are put together; 0 where it has no
        meaning.
    sentence
        What was found.
    advice
        What to do.
    pairs, images
        The first ones, closest pairs first, at most `SHOWN` of each.
    """

    severity: Severity
    kind: str
    count: int
    sentence: str
    advice: str
    num_groups: int = 0
    pairs: tuple[Pair, ...] = ()
    images: tuple[ImageName, ...] = ()


SHOWN = 100
"""A finding keeps this many pairs and images; `count` counts all."""


@dataclass(frozen=True)
class Audit:
    """What was found in a data set.

    Attributes
    ----------
    source, fingerprint
        Of the data.
    num_images
        In all three splits.
    findings
        The severest first.
    limits
        Sentences on what was not looked at, and why.
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
        """Nothing found but notes."""
        return all(finding.severity == "note" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """All of it in dicts, lists, texts and numbers, ready for JSON."""
        return dataclasses.asdict(self)


def by_severity(findings: list[Finding]) -> tuple[Finding, ...]:
    """Sort findings, the severest first, otherwise as they came."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
