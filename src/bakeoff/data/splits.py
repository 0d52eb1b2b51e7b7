"""Create the splits that a source lacks from its train split."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.data.sources.listing import ListedImage, Listing
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings
from bakeoff.text import counted, listed


def complete_splits(listing: Listing, settings: DataSettings) -> Listing:
    """Cut val and test from train if they are missing, stratified by class.

    The split of an image follows from a hash of the split seed and its id, so it depends neither on the order
    in which images are listed nor on a library's random numbers.

    Raises
    ------
    BakeoffError
        If there are no training images, a class has too few, or the fractions leave nothing to train on.
    """
    if not listing.splits.get("train"):
        raise BakeoffError("no training images; the source needs images in train")
    fractions: dict[SplitName, float] = {"test": settings.test_fraction, "val": settings.val_fraction}
    missing = [name for name in fractions if name not in listing.splits]
    if not missing:
        return listing
    if sum(fractions[name] for name in missing) >= 1:
        raise BakeoffError(
            f"data.val_fraction {settings.val_fraction:g} and data.test_fraction {settings.test_fraction:g} "
            "leave nothing to train on; together they must be below 1"
        )
    by_class: dict[int, list[ListedImage]] = defaultdict(list)
    for image in listing.splits["train"]:
        by_class[image.label].append(image)

    split_of: dict[str, SplitName] = {}
    for label, images in by_class.items():
        images.sort(key=lambda image: _shuffle_key(settings.split_seed, image.id))
        start = 0
        for name in missing:
            count = max(1, round(fractions[name] * len(images)))
            split_of |= {image.id: name for image in images[start : start + count]}
            start += count
        if start >= len(images):
            raise BakeoffError(
                f"class {listing.class_names[label]!r} has {counted(len(images), 'training image')}, too few "
                f"to cut {listed([*missing])} from it; add images, or provide these splits"
            )

    splits: dict[SplitName, list[ListedImage]] = {}
    for name in SPLIT_NAMES:
        is_complete = name in listing.splits and name != "train"
        splits[name] = (
            listing.splits[name]
            if is_complete
            else [image for image in listing.splits["train"] if split_of.get(image.id, "train") == name]
        )
    shares = listed([f"{name} ({100 * fractions[name]:.0f} % of each class)" for name in reversed(missing)])
    note = (
        f"The source has no {' and no '.join(reversed(missing))} split: {shares} "
        f"{'was' if len(missing) == 1 else 'were'} cut from its training images, stratified, "
        f"with split seed {settings.split_seed}."
    )
    return Listing(splits, listing.class_names, (*listing.notes, note))


def _shuffle_key(seed: int, image_id: str) -> bytes:
    return hashlib.sha256(f"{seed}/{image_id}".encode("utf-8", "surrogateescape")).digest()
