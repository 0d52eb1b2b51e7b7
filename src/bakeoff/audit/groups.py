"""Groups: images that belong together, as near copies and names tell, and groups that splits share."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import numpy as np

from bakeoff.audit.findings import MAX_LISTED, Finding
from bakeoff.audit.links import Images
from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.study.settings.data import NEAR_DUPLICATES
from bakeoff.text import counted, shorten

PROPOSED_SHARE = 0.05
"""Groups are proposed if at least this share of the images has a near copy."""

MIN_GROUP_SIZE = 2.0
"""Names are taken to tell groups if these have at least so many images on average."""

NAME_PATTERNS = (
    "((?i:animal|case|clip|object|patient|person|plate|scene|sequence|session|slide|specimen|study|subject|video)"
    "[ _-]?[0-9]+)",
    "([^/]*[0-9][^/]*)[_-][^/_-]*[0-9]+[.][^./]*$",  # patient12_frame3.png
    "([^/]*[0-9][^/]*)/[^/]*$",  # patient12/3.png
)


def linked_groups(images: Images) -> dict[tuple[SplitName, str], str]:
    """For each image, by split and id, the name of those that are linked with it, directly or by others.

    A group is named after the first of its images.
    """
    repeated = {image_id for image_id, count in Counter(images.ids).items() if count > 1}
    names: dict[int, str] = {}
    groups = {}
    for image, component in enumerate(images.components().tolist()):
        split, image_id = SPLIT_NAMES[images.split[image]], images.ids[image]
        own_name = f"{split}/{image_id}" if image_id in repeated else image_id
        groups[split, image_id] = names.setdefault(component, own_name)
    return groups


def find_shared_groups(images: Images) -> list[Finding]:
    """Find groups with images in two splits."""
    findings = []
    for a, b in combinations(SPLIT_NAMES, 2):
        earlier = set(images.data.split(a).groups or ())
        indices = [index for index, group in enumerate(images.data.split(b).groups or ()) if group in earlier]
        if not indices:
            continue
        groups = np.asarray(images.data.split(b).groups)[indices]
        num_groups = len(set(groups.tolist()))
        start = int(np.flatnonzero(images.split == SPLIT_NAMES.index(b))[0])
        findings.append(
            Finding(
                "leak" if b == "test" else "warning",
                f"groups-{a}-{b}",
                len(indices),
                f"{counted(len(indices), 'image')} of {b} {'belongs' if len(indices) == 1 else 'belong'} to "
                f"{counted(num_groups, 'group')} with images in {a}, such as {shorten(str(groups[0]), 60)}.",
                "Keep each group in one split: images of one group are not independent of each other.",
                num_groups,
                images=tuple(images.name(start + index) for index in indices[:MAX_LISTED]),
            )
        )
    return findings


def propose_groups(images: Images) -> list[Finding]:
    """Propose groups where the images have none, by near copies and by their names."""
    if images.data.test.groups is not None:
        return []
    findings = []
    components = images.components()
    sizes = np.bincount(components)
    num_linked = int(sizes[sizes > 1].sum())
    if num_linked >= PROPOSED_SHARE * len(images):
        linked = (
            "look like another one, whether or not they are copies"
            if images.is_doubtful
            else "are near duplicates of another one"
        )
        findings.append(
            Finding(
                "note",
                "groups-of-near-duplicates",
                num_linked,
                f"{counted(num_linked, 'image')} of {len(images):,} {linked}; "
                f"as groups, they would make {counted(len(sizes), 'group')}, the largest of "
                f"{sizes.max():,} images.",
                f'If they show the same things, set data.groups = "{NEAR_DUPLICATES}": groups then stay in '
                "one split, and intervals count them.",
                len(sizes),
            )
        )
    for pattern in NAME_PATTERNS:
        groups = _groups_by_name(images, pattern)
        if groups:
            example = next(iter(groups))
            findings.append(
                Finding(
                    "note",
                    "groups-by-name",
                    len(images),
                    f"The names suggest groups, such as {shorten(example, 60)} with "
                    f"{counted(groups[example], 'image')}: {counted(len(groups), 'group')} in all.",
                    f"If images of a group show the same thing, set data.groups = '{pattern}': groups then "
                    "stay in one split, and intervals count them.",
                    len(groups),
                )
            )
            break
    return findings


def _groups_by_name(images: Images, pattern: str) -> Counter[str]:
    """The number of images by group; none if an image has none, or groups are classes or single images."""
    expression = re.compile(pattern)
    groups: Counter[str] = Counter()
    of_label: dict[int, set[str]] = {}
    for image_id, label in zip(images.ids, images.labels.tolist(), strict=True):
        match = expression.search(image_id)
        if match is None:
            return Counter()
        groups[match[1]] += 1
        of_label.setdefault(label, set()).add(match[1])
    several = all(len(names) > 1 for names in of_label.values())
    return groups if several and len(images) >= MIN_GROUP_SIZE * len(groups) else Counter()
