"""The images of one run, where it does not train on all of the data's: a split, or a part, of its own."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import ImageData, Split
from bakeoff.data.splits import choose_units, shuffle_key
from bakeoff.data.statistics import channel_statistics
from bakeoff.errors import BakeoffError
from bakeoff.text import counted, shorten

Groups = tuple[str, ...]
"""Of each training image, then each validation image, the name of those that belong together."""


def pool_groups(data: ImageData) -> Groups | None:
    """The groups of the training and validation images; None if each image stands for itself."""
    if data.train.groups is None and data.val.groups is None:
        return None
    return tuple(
        group or f"{name}/{image_id}"
        for name, split in (("train", data.train), ("val", data.val))
        for group, image_id in zip(split.groups or ("",) * len(split), split.ids, strict=True)
    )


def groups_digest(groups: Groups | None) -> str:
    """A digest of the groups, which decide what is drawn and are no part of the data's fingerprint."""
    return "" if groups is None else hashlib.sha256("\0".join(groups).encode("utf-8", "replace")).hexdigest()


def images_of_run(
    data: ImageData, seed: int, *, own_split: bool, size: int | None, groups: Groups | None = None
) -> ImageData:
    """The data as a run sees them: the test images are always the same.

    Parameters
    ----------
    data
        All of them, without groups.
    seed
        Of the run, which alone determines what is drawn from these data: all recipes have the same draws.
    own_split
        Whether it draws its own validation images from the pool of training and validation images, as many of
        each class as the data have, and trains on the others. Groups stay whole, so that the numbers are then
        approximate.
    size
        The number of training images it is given, each class with its share of all to within one image, or
        whole groups, as many as come nearest. The part of a smaller size is contained in that of a larger.
        None for all.
    groups
        From `pool_groups`.

    Raises
    ------
    BakeoffError
        If a class would have no training image.
    """
    if not own_split and size is None:
        return data
    ids = _unique_ids(data)
    labels = np.concatenate([data.train.labels, data.val.labels])
    train, val = _draw(data, labels, groups or ids, seed, own_split=own_split, size=size)
    train_split = _take(data, train, labels, ids)
    mean, std = channel_statistics(train_split.images)
    return replace(
        data,
        train=train_split,
        val=_take(data, val, labels, ids) if own_split else data.val,
        mean=mean,
        std=std,
        fingerprint=f"{data.fingerprint} drawn by seed {seed}: {own_split} {size} {groups_digest(groups)}",
    )


def check_draws(
    data: ImageData, seeds: range, *, own_split: bool, size: int | None, groups: Groups | None = None
) -> None:
    """Check that runs with these seeds can draw their images; the parameters are those of `images_of_run`.

    Raises
    ------
    BakeoffError
        If a class would have no training image.
    """
    labels = np.concatenate([data.train.labels, data.val.labels])
    units = groups or _unique_ids(data)
    for seed in seeds:
        _draw(data, labels, units, seed, own_split=own_split, size=size)


def _draw(
    data: ImageData,
    labels: NDArray[np.int64],
    units: Sequence[str],
    seed: int,
    *,
    own_split: bool,
    size: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The training and the validation images, as indices into the pool, ascending."""
    num_train = len(data.train)
    train, val = np.arange(num_train), np.arange(num_train, len(labels))
    if own_split:
        is_val = _draw_val(labels, units, np.bincount(data.val.labels, minlength=data.num_classes), seed)
        train, val = np.flatnonzero(~is_val), np.flatnonzero(is_val)
    if size is not None:
        train = _draw_part(train, labels, units, size, seed)
    _check_classes(data, labels[train], seed)
    return train, val


def _unique_ids(data: ImageData) -> tuple[str, ...]:
    """Of the pool; with the name of the split before them if both splits have an id in common."""
    ids = (*data.train.ids, *data.val.ids)
    if len(set(ids)) == len(ids):
        return ids
    return tuple(
        f"{name}/{image_id}"
        for name, split in (("train", data.train), ("val", data.val))
        for image_id in split.ids
    )


def _draw_val(
    labels: NDArray[np.int64], units: Sequence[str], wanted: NDArray[np.int64], seed: int
) -> NDArray[np.bool_]:
    """bool [num_pool], the validation images of a seed."""
    members: dict[str, list[int]] = {}
    for unit, label in zip(units, labels.tolist(), strict=True):
        members.setdefault(unit, []).append(label)
    # A prefix of its own: the draw has nothing to do with how the source's splits were cut.
    shuffled = sorted(members, key=lambda unit: shuffle_key(f"split of run {seed}", unit))
    numbers = dict(enumerate(wanted.tolist()))
    chosen = set(choose_units({unit: members[unit] for unit in shuffled}, numbers))
    return np.array([unit in chosen for unit in units])


def _draw_part(
    train: NDArray[np.int64], labels: NDArray[np.int64], units: Sequence[str], size: int, seed: int
) -> NDArray[np.int64]:
    """Some of these images, ascending: those whose units come first when each class is spread evenly."""
    members: dict[str, list[int]] = {}
    for index in train.tolist():
        members.setdefault(units[index], []).append(index)
    shuffled = sorted(members, key=lambda unit: shuffle_key(f"part of run {seed}", unit))
    of_class = Counter(labels[train].tolist())
    before: Counter[int] = Counter()
    places: list[tuple[float, str]] = []
    for unit in shuffled:
        label, of_unit = Counter(labels[members[unit]].tolist()).most_common(1)[0]
        places.append(((before[label] + of_unit / 2) / of_class[label], unit))
        before[label] += of_unit
    kept: list[int] = []
    for _, unit in sorted(places):
        larger = len(kept) + len(members[unit])
        if kept and abs(larger - size) >= abs(len(kept) - size):
            break
        kept += members[unit]
    return np.array(sorted(kept))


def _check_classes(data: ImageData, labels: NDArray[np.int64], seed: int) -> None:
    has = np.bincount(labels, minlength=data.num_classes)
    for label in np.unique(data.train.labels):
        if not has[label]:
            raise BakeoffError(
                f"seed {seed} would train on {counted(len(labels), 'image')} without one of class "
                f"{shorten(data.class_names[label])}; expected images of each class: add images or groups of "
                "this class, or train on more"
            )


def _take(
    data: ImageData, indices: NDArray[np.int64], labels: NDArray[np.int64], ids: Sequence[str]
) -> Split:
    """Some images of the pool, in memory."""
    num_train = len(data.train)
    images = np.empty((len(indices), *data.train.images.shape[1:]), np.uint8)
    first = indices < num_train
    images[first] = data.train.images[indices[first]]
    images[~first] = data.val.images[indices[~first] - num_train]
    images.setflags(write=False)
    taken = labels[indices]
    taken.setflags(write=False)
    return Split(images, taken, tuple(ids[index] for index in indices))
