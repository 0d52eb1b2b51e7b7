"""Findings about repeated images: leaks between splits, copies within a split, one image under two labels."""

from __future__ import annotations

from collections.abc import Callable

from bakeoff.audit.findings import MAX_LISTED, Finding, Pair, Relation, Severity
from bakeoff.audit.links import Images, Match
from bakeoff.data.image_data import SPLIT_NAMES

SUSPICIOUS_SHARE = 0.2
"""If a larger share of the images has a near duplicate, the measure may not suit them."""

PHRASES: dict[Relation, tuple[str, str]] = {
    "identical": ("is identical to", "are identical to"),
    "near": ("is a near duplicate of", "are near duplicates of"),
    "flipped": ("is a mirrored copy of", "are mirrored copies of"),
}

LEAK_ADVICE = (
    "Remove them from {earlier}, or from test: accuracy on images seen before says nothing about new ones."
)
VAL_ADVICE = "Remove them from train: with them, val selects the checkpoint that memorizes best."
CONFLICT_ADVICE = "Look at the pairs and correct the wrong label, or remove the images."
WITHIN_ADVICE = {
    "train": "Keep one of each: a repeated image has more weight in training.",
    "val": "Keep one of each: a repeated image counts twice in every accuracy.",
    "test": "Keep one of each: a repeated image counts twice in every accuracy.",
}


def find_repeats(images: Images) -> list[Finding]:
    """Find every way in which an image appears more than once."""
    findings = []
    for earlier, later in ((0, 2), (1, 2), (0, 1)):
        severity: Severity = "leak" if later == 2 else "warning"
        for relation, matches in images.matches(between(images, earlier, later)).items():
            if matches:
                first, second = SPLIT_NAMES[earlier], SPLIT_NAMES[later]
                advice = LEAK_ADVICE.format(earlier=first) if later == 2 else VAL_ADVICE
                sentence = _sentence(len(matches), f"{second} ", relation, f"an image of {first}")
                findings.append(
                    _finding(images, severity, f"{relation}-{first}-{second}", matches, sentence, advice)
                )
    findings += _conflicts(images)
    for number, name in enumerate(SPLIT_NAMES):
        for relation, matches in images.matches(between(images, number, number)).items():
            if matches:
                severity = "warning" if relation == "identical" else "note"
                sentence = _sentence(len(matches), f"{name} ", relation, f"another image of {name}")
                findings.append(
                    _finding(
                        images, severity, f"{relation}-within-{name}", matches, sentence, WITHIN_ADVICE[name]
                    )
                )
    return findings


def between(images: Images, earlier: int, later: int) -> Callable[[int, int], bool]:
    """The query for images of split `later` with a partner in split `earlier`, which may be the same."""
    return lambda partner, image: bool(images.split[partner] == earlier and images.split[image] == later)


def under_two_labels(images: Images) -> Callable[[int, int], bool]:
    """The query for images with a partner of another label."""
    return lambda partner, image: bool(images.labels[partner] != images.labels[image])


def _conflicts(images: Images) -> list[Finding]:
    conflicts = images.matches(under_two_labels(images))
    findings = []
    for relation, matches in conflicts.items():
        if matches:
            sentence = _sentence(len(matches), "", relation, "an image with another label")
            findings.append(
                _finding(images, "conflict", f"{relation}-two-labels", matches, sentence, CONFLICT_ADVICE)
            )
    return findings


def _sentence(count: int, split: str, relation: Relation, partner: str) -> str:
    one, many = PHRASES[relation]
    return f"{count:,} {split}{f'image {one}' if count == 1 else f'images {many}'} {partner}."


def _finding(
    images: Images, severity: Severity, kind: str, matches: list[Match], sentence: str, advice: str
) -> Finding:
    pairs: dict[tuple[int, int], Match] = {}
    for match in matches:  # a pair is listed once, even if both of its images match
        pairs.setdefault((min(match.partner, match.image), max(match.partner, match.image)), match)
    return Finding(
        severity,
        kind,
        len(matches),
        sentence,
        advice,
        images.num_groups(matches),
        tuple(
            Pair(images.name(first), images.name(second), match.relation, round(match.distance, 4))
            for (first, second), match in list(pairs.items())[:MAX_LISTED]
        ),
    )
