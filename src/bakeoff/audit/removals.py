"""list_removals(): every image that a data set is better without, not only the first of each finding."""

from __future__ import annotations

from typing import NamedTuple

from bakeoff.audit.findings import ImageName
from bakeoff.audit.links import Images, Match
from bakeoff.audit.repeats import between, under_two_labels
from bakeoff.data.image_data import SPLIT_NAMES
from bakeoff.files import to_csv

REASONS = {"identical": "identical to", "near": "near duplicate of", "flipped": "mirrored copy of"}

DOUBTFUL_REASONS = REASONS | {"near": "looks like", "flipped": "looks, mirrored, like"}
"""Where the measure cannot tell copies from images that only look alike."""

REMOVAL_COLUMNS = ("path", "split", "reason", "other_path", "other_split", "distance")


class Removal(NamedTuple):
    """An image to remove.

    Attributes
    ----------
    image
        Its split, id and class.
    reason
        Such as "near duplicate of a test image".
    other
        The image that it repeats.
    distance
        Of the two, see `Pair`.
    """

    image: ImageName
    reason: str
    other: ImageName
    distance: float


def list_removals(images: Images) -> list[Removal]:
    """The images whose removal leaves no leak, no image under two labels, and no identical images in a split.

    Each once, with its gravest reason. Between splits, the image of train goes before that of val, and that
    of val before that of test, so that the test images stay. Of images under two labels all are listed, since
    it is not known which label is wrong; of identical images in a split all but the first. Near duplicates
    within a split are not listed.
    """
    removals: dict[int, Removal] = {}
    reasons = DOUBTFUL_REASONS if images.is_doubtful else REASONS

    def add(matches: list[Match], what: str) -> None:
        for match in matches:
            image, partner = images.name(match.image), images.name(match.partner)
            reason = f"{reasons[match.relation]} {what}"
            removals.setdefault(match.image, Removal(image, reason, partner, round(match.distance, 4)))

    for earlier, later in ((0, 2), (1, 2), (0, 1)):
        for matches in images.matches(between(images, later, earlier)).values():
            add(matches, f"a {SPLIT_NAMES[later]} image")
    for matches in images.matches(under_two_labels(images)).values():
        add(matches, "an image with another label")
    for copies in images.identical():
        first: dict[int, int] = {}
        for image in copies:
            kept = first.setdefault(int(images.split[image]), image)
            if kept != image:
                add([Match(0, 0.0, kept, image)], f"another {SPLIT_NAMES[images.split[image]]} image")
    return list(removals.values())


def removals_csv(removals: list[Removal]) -> str:
    """One line per image to remove: its path or id, split, reason, and the image that it repeats."""
    rows = [
        (image.id, image.split, reason, other.id, other.split, distance)
        for image, reason, other, distance in removals
    ]
    return to_csv(REMOVAL_COLUMNS, rows)
