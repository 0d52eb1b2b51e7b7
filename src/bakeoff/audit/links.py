"""Links: which images are identical or near duplicates, over all three splits, and queries on them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit.duplicates import NearDuplicates, content_numbers, find_near_duplicates, to_gray
from bakeoff.audit.findings import RELATIONS, ImageName, Relation
from bakeoff.data.image_data import SPLIT_NAMES, ImageData

SUSPICIOUS_SHARE = 0.2
"""If a larger share of the images has a near duplicate, the measure may not suit them."""


class Link(NamedTuple):
    """Two linked contents (the same one twice for identical images); sorts by strength."""

    rank: int  # index into RELATIONS
    distance: float
    first: int
    second: int


class Match(NamedTuple):
    """An image and its nearest partner among those that a query allows."""

    rank: int
    distance: float
    partner: int
    image: int

    @property
    def relation(self) -> Relation:
        return RELATIONS[self.rank]


class Images:
    """All images of the three splits, numbered train, val, test, and how they are linked.

    Parameters
    ----------
    data
        The images.
    uniform
        bool [num_images]: images without content, which are linked only if they are identical.
    search_near
        Search for near duplicates too, not only for identical images.
    """

    def __init__(self, data: ImageData, uniform: NDArray[np.bool_], *, search_near: bool) -> None:
        splits = [data.split(name) for name in SPLIT_NAMES]
        self.data, self.uniform, self.search_near = data, uniform, search_near
        self.split = np.repeat(np.arange(3), [len(split) for split in splits])
        self.labels = np.concatenate([split.labels for split in splits])
        self.ids = [image_id for split in splits for image_id in split.ids]
        self.content = np.concatenate([content_numbers(image for split in splits for image in split.images)])
        self._members = _group(self.content)
        self.links = [
            Link(0, 0.0, content, content) for content, images in self._members.items() if len(images) > 1
        ]
        self.num_crowded = 0
        if search_near:
            near, contents = self._near_duplicates(
                np.concatenate([to_gray(split.images) for split in splits]), uniform
            )
            self.num_crowded = near.num_crowded
            self.links += [
                Link(1 + int(flipped), float(distance), int(contents[first]), int(contents[second]))
                for (first, second), distance, flipped in zip(*near[:3], strict=True)
            ]
        self.links.sort()  # the strongest first

    def _near_duplicates(
        self, gray: NDArray[np.uint8], uniform: NDArray[np.bool_]
    ) -> tuple[NearDuplicates, NDArray[np.int64]]:
        contents, images = np.unique(self.content, return_index=True)  # one image of each content
        has_content = ~uniform[images]
        return find_near_duplicates(gray[images[has_content]]), contents[has_content]

    def __len__(self) -> int:
        return len(self.ids)

    def name(self, image: int) -> ImageName:
        label = self.data.class_names[self.labels[image]]
        return ImageName(SPLIT_NAMES[self.split[image]], self.ids[image], label)

    def matches(self, allowed: Callable[[int, int], bool]) -> dict[Relation, list[Match]]:
        """Find, for each relation, the images that have an allowed partner, each with its nearest one.

        Parameters
        ----------
        allowed
            Whether the first image may be the partner of the second; it may depend only on their splits and
            labels.

        Returns
        -------
        Each image appears once, under its strongest relation; the nearest matches first.
        """
        best: dict[int, Match] = {}
        for rank, distance, first, second in self.links:
            for one, other in {(first, second), (second, first)}:
                partners = self._representatives(one)
                for image in self._members[other]:
                    partner = next((p for p in partners if p != image and allowed(p, image)), None)
                    if partner is not None and image not in best:
                        best[image] = Match(rank, distance, partner, image)
        ordered = sorted(best.values(), key=lambda match: (match.rank, match.distance, match.image))
        return {relation: [m for m in ordered if m.relation == relation] for relation in RELATIONS}

    def identical(self) -> list[list[int]]:
        """The images of each content that several have, ascending."""
        return [images for images in self._members.values() if len(images) > 1]

    def _representatives(self, content: int) -> list[int]:
        """Two images of each split and label: enough for any query, however many copies there are."""
        by_split_and_label: dict[tuple[int, int], list[int]] = {}
        for image in self._members[content]:
            group = by_split_and_label.setdefault((int(self.split[image]), int(self.labels[image])), [])
            if len(group) < 2:
                group.append(image)
        return sorted(image for group in by_split_and_label.values() for image in group)

    def share_with_near_duplicates(self) -> float:
        """Share of the images that have a near duplicate, 0..1."""
        contents = {content for link in self.links if link.rank > 0 for content in (link.first, link.second)}
        return sum(len(self._members[content]) for content in contents) / len(self)

    @cached_property
    def is_doubtful(self) -> bool:
        """Whether so many images have a near duplicate that these may be no copies, only look alike."""
        return self.share_with_near_duplicates() > SUSPICIOUS_SHARE

    def components(self) -> NDArray[np.int64]:
        """int [num_images]: equal numbers for images that are linked, directly or through others."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        number = int(self.content.max()) + 1
        first = np.array([link.first for link in self.links], np.int64)
        second = np.array([link.second for link in self.links], np.int64)
        graph = coo_array((np.ones(len(first)), (first, second)), shape=(number, number))
        numbers: NDArray[np.int64] = connected_components(graph, directed=False)[1][self.content]
        return numbers.astype(np.int64)

    def num_groups(self, matches: list[Match]) -> int:
        """The number of connected groups that the matched images and their partners form."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        contents = self.content[[[match.partner, match.image] for match in matches]]
        used, pairs = np.unique(contents, return_inverse=True)
        pairs = pairs.reshape(-1, 2)
        graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(used), len(used)))
        return int(connected_components(graph, directed=False)[0])


def _group(content: NDArray[np.int64]) -> dict[int, list[int]]:
    members: dict[int, list[int]] = {}
    for image, number in enumerate(content.tolist()):
        members.setdefault(number, []).append(image)
    return members
