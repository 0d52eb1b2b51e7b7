"""Create the splits that a source lacks from its train split."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict

from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.data.sources.listing import ListedImage, Listing
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings
from bakeoff.text import counted, listed


def complete_splits(listing: Listing, settings: DataSettings) -> Listing:
    """Cut val and test from train if they are missing, stratified by class.

    The split of an image follows from a hash of the split seed and its id, so it depends neither on the order
    in which images are listed nor on a library's random numbers. A group stays whole, and its split follows
    from its name.

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
    groups: dict[str, list[int]] = defaultdict(list)  # the labels of the images
    for image in listing.splits["train"]:
        groups[image.group or image.id].append(image.label)
    seed = str(settings.split_seed)
    remaining = dict(sorted(groups.items(), key=lambda group: shuffle_key(seed, group[0])))
    num_images = Counter(image.label for image in listing.splits["train"])
    split_of: dict[str, SplitName] = {}
    for name in missing:
        wanted = {label: max(1, round(fractions[name] * count)) for label, count in num_images.items()}
        for group in choose_units(remaining, wanted):
            split_of[group] = name
            del remaining[group]
    left = {label for labels in remaining.values() for label in labels}
    for label, count in sorted(num_images.items()):
        if label not in left:
            num_groups = sum(label in labels for labels in groups.values())
            found = counted(count, "training image")
            if num_groups < count:
                found += f" in {counted(num_groups, 'group')}"
            raise BakeoffError(
                f"class {listing.class_names[label]!r} has {found}, too few "
                f"to cut {listed([*missing])} from it; add images, or provide these splits"
            )

    splits: dict[SplitName, list[ListedImage]] = {name: [] for name in SPLIT_NAMES}
    for image in listing.splits["train"]:
        splits[split_of.get(image.group or image.id, "train")].append(image)
    splits |= {name: images for name, images in listing.splits.items() if name != "train"}
    shares = listed([f"{name} ({100 * fractions[name]:.0f} % of each class)" for name in reversed(missing)])
    note = (
        f"The source has no {' and no '.join(reversed(missing))} split: {shares} "
        f"{'was' if len(missing) == 1 else 'were'} cut from its training images, stratified, "
        f"{'in whole groups, ' if len(groups) < len(listing.splits['train']) else ''}"
        f"with split seed {settings.split_seed}."
    )
    return Listing(splits, listing.class_names, (*listing.notes, note))


def choose_units(groups: dict[str, list[int]], wanted: dict[int, int]) -> list[str]:
    """The groups, in this order, that bring the numbers of images by label nearer to `wanted`.

    Of a label that is wanted and that none of them has, the smallest group is chosen too.

    Parameters
    ----------
    groups
        The labels of their images, by name.
    wanted
        The number of images of each label.
    """
    chosen: list[str] = []
    total = dict.fromkeys(wanted, 0)
    for group, labels in groups.items():
        if len(labels) == 1:  # as below, for less
            if total[labels[0]] < wanted[labels[0]]:
                chosen.append(group)
                total[labels[0]] += 1
            continue
        counts = Counter(labels)
        change = 0  # of the squared distance
        for label, count in counts.items():
            change += count * (count + 2 * (total[label] - wanted[label]))
        if change < 0:
            chosen.append(group)
            for label, count in counts.items():
                total[label] += count
    for label in wanted:
        if total[label] or not wanted[label]:
            continue
        if having := [group for group, labels in groups.items() if label in labels]:
            chosen.append(min(having, key=lambda group: len(groups[group])))
    return list(dict.fromkeys(chosen))


def shuffle_key(seed: str, name: str) -> bytes:
    """Names sorted by this are in random order, which depends on nothing but the seed and the names."""
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()
