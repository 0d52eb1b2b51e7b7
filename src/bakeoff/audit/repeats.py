"""Findings about repeated images: leaks between splits, copies within a split, one image under two labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bakeoff.audit.findings import MAX_LISTED, Finding, Pair, Relation, Severity
from bakeoff.audit.links import Images, Match
from bakeoff.data.image_data import SPLIT_NAMES
from bakeoff.text import counted

PHRASES: dict[Relation, tuple[str, str]] = {
    "identical": ("is identical to", "are identical to"),
    "near": ("is a near duplicate of", "are near duplicates of"),
    "flipped": ("is a mirrored copy of", "are mirrored copies of"),
}

DOUBTFUL_PHRASES: dict[Relation, tuple[str, str]] = {
    "identical": PHRASES["identical"],
    "near": ("looks like", "look like"),
    "flipped": ("looks, mirrored, like", "look, mirrored, like"),
}
"""Where the measure cannot tell copies from images that only look alike."""

LEAK_ADVICE = (
    "Of each pair, remove the image in {earlier} or the one in test: accuracy on images seen before says "
    "nothing about new ones."
)
VAL_ADVICE = (
    "Of each pair, remove the image in train: otherwise val selects the checkpoint that memorizes best."
)
CONFLICT_ADVICE = "Of each pair, correct the wrong label, or remove both images."
DOUBTFUL_ADVICE = "Look at the pairs before you remove any."
WITHIN_ADVICE = {
    "train": "Keep one of each: a repeated image has more weight in training.",
    "val": "Keep one of each: a repeated image counts twice in every validation accuracy.",
    "test": "Keep one of each: a repeated image counts twice in every accuracy.",
}


def find_repeats(images: Images) -> list[Finding]:
    """Find every way in which an image appears more than once.

    Near duplicates that may be no copies are warnings at most, and are reported as images that look alike.
    """
    findings = []
    for earlier, later in ((0, 2), (1, 2), (0, 1)):
        first, second = SPLIT_NAMES[earlier], SPLIT_NAMES[later]
        findings += _findings(
            images,
            "leak" if later == 2 else "warning",
            between(images, earlier, later),
            f"{first}-{second}",
            f"{second} image",
            f"an image of {first}",
            LEAK_ADVICE.format(earlier=first) if later == 2 else VAL_ADVICE,
        )
    findings += _findings(
        images,
        "conflict",
        under_two_labels(images),
        "two-labels",
        "image",
        "an image with another label",
        CONFLICT_ADVICE,
    )
    for number, name in enumerate(SPLIT_NAMES):
        found = _findings(
            images,
            "warning",
            between(images, number, number),
            f"within-{name}",
            f"{name} image",
            f"another image of {name}",
            WITHIN_ADVICE[name],
        )
        findings += [
            finding if finding.kind.startswith("identical") else replace(finding, severity="note")
            for finding in found
        ]
    return findings


def between(images: Images, earlier: int, later: int) -> Callable[[int, int], bool]:
    """The query for images of split `later` with a partner in split `earlier`, which may be the same."""
    return lambda partner, image: bool(images.split[partner] == earlier and images.split[image] == later)


def under_two_labels(images: Images) -> Callable[[int, int], bool]:
    """The query for images with a partner of another label."""
    return lambda partner, image: bool(images.labels[partner] != images.labels[image])


def _findings(
    images: Images,
    severity: Severity,
    allowed: Callable[[int, int], bool],
    where: str,
    image: str,
    partner: str,
    advice: str,
) -> list[Finding]:
    """One finding for each relation in which images have an allowed partner."""
    findings = []
    for relation, matches in images.matches(allowed).items():
        if not matches:
            continue
        pairs: dict[tuple[int, int], Match] = {}
        for match in matches:  # a pair is listed once, even if both of its images match
            pairs.setdefault((min(match.partner, match.image), max(match.partner, match.image)), match)
        # Of two images that are each other's partners, one may have a closer partner still; both count.
        count = len({two[way] for two in pairs for way in (0, 1) if allowed(two[1 - way], two[way])})
        doubtful = images.is_doubtful and relation != "identical"
        one, many = (DOUBTFUL_PHRASES if doubtful else PHRASES)[relation]
        doubt = "; the check cannot tell whether they are copies" if doubtful else ""
        findings.append(
            Finding(
                "warning" if doubtful else severity,
                f"{relation}-{where}",
                count,
                f"{counted(count, image)} {one if count == 1 else many} {partner}{doubt}.",
                DOUBTFUL_ADVICE if doubtful else advice,
                images.num_groups(matches),
                tuple(
                    Pair(images.name(first), images.name(second), match.relation, round(match.distance, 4))
                    for (first, second), match in list(pairs.items())[:MAX_LISTED]
                ),
            )
        )
    return findings
