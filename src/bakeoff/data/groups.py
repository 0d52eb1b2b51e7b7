"""Groups: images that belong together, such as those of one patient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations

from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.data.sources.listing import Listing
from bakeoff.errors import BakeoffError
from bakeoff.text import counted, list_some, listed, shorten


def group_by_id(listing: Listing, pattern: str) -> Listing:
    """Put each image into the group that the first group of a regular expression finds in its id.

    Raises
    ------
    BakeoffError
        If the source names groups itself, or the expression finds none in an id.
    """
    if _has_groups(listing):
        raise BakeoffError("the source names groups, and so does data.groups; set only one of them")
    expression = re.compile(pattern)
    splits = {}
    without: list[str] = []
    for name, images in listing.splits.items():
        matches = [expression.search(image.id) for image in images]
        groups = [match[1] or "" if match else "" for match in matches]
        without += [shorten(image.id) for image, group in zip(images, groups, strict=True) if not group]
        splits[name] = [image._replace(group=group) for image, group in zip(images, groups, strict=True)]
    if without:
        raise BakeoffError(
            f"data.groups {shorten(pattern)} finds no group in the ids of {counted(len(without), 'image')}; "
            f"change it so that it finds one in each:\n{list_some(without)}"
        )
    return Listing(splits, listing.class_names, listing.notes)


def group_by_place(listing: Listing, groups: Mapping[tuple[SplitName, str], str]) -> Listing:
    """Put each image into a group, given by its split, once missing ones are cut from train, and its id.

    Raises
    ------
    BakeoffError
        If the source names groups itself.
    """
    if _has_groups(listing):
        raise BakeoffError("the source names groups, and so does data.groups; set only one of them")
    missing = [name for name in SPLIT_NAMES if name not in listing.splits]
    splits = {}
    for name, images in listing.splits.items():
        places = (name, *(missing if name == "train" else ()))
        splits[name] = [
            image._replace(group=next((groups[p, image.id] for p in places if (p, image.id) in groups), ""))
            for image in images
        ]
    return Listing(splits, listing.class_names, listing.notes)


def group_notes(listing: Listing) -> tuple[str, ...]:
    """Sentences on how many groups there are, if there are any, and which splits share some."""
    if not _has_groups(listing):
        return ()
    groups = {name: {image.group for image in listing.splits[name]} for name in SPLIT_NAMES}
    counts = listed([f"{len(groups[name]):,} in {name}" for name in SPLIT_NAMES])
    notes = [f"The images form groups: {counts}."]
    for a, b in combinations(SPLIT_NAMES, 2):
        if shared := sorted(groups[a] & groups[b]):
            notes.append(
                f"{counted(len(shared), 'group')} in both {a} and {b}, such as {shorten(shared[0])}: "
                f"images in {b} are not independent of those in {a}."
            )
    return tuple(notes)


def _has_groups(listing: Listing) -> bool:
    return any(image.group for images in listing.splits.values() for image in images)
