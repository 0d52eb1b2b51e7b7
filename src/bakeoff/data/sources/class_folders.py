"""The source `folder:DIR`: one folder of images per class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.data.sources.labels import difference, plain_form, refuse_similar_names
from bakeoff.data.sources.listing import (
    ListedImage,
    Listing,
    read_class_names,
    split_named,
    split_suggested,
)
from bakeoff.data.sources.walking import Walk
from bakeoff.errors import BakeoffError
from bakeoff.text import counted, list_some, listed

LAYOUT = "expected train/CLASS/*, with optional val/ and test/, or CLASS/* alone"

NAMES_FILE = "class_names.txt"

WORDS = frozenset({"train", "valid"})
"""Names of splits that may be those of classes, beside others such as "bus" or "invalid"."""


def list_class_folders(directory: Path) -> Listing:
    """List the images of `train/CLASS/*` (and of `val/` and `test/` if they exist), or of `CLASS/*` alone.

    The folders of splits may have other usual names, such as `training_set`, in any case. Classes are in
    natural order of their names, or in the order of `class_names.txt` if `directory` has one. Images may be
    in subfolders of a class's folder; links to folders are followed. What is not read is counted in notes.

    Raises
    ------
    BakeoffError
        If there are no class folders, a folder may be a class or a split, a class holds only files that are
        not read, `class_names.txt` disagrees with the folders, val or test has a class that train lacks, or
        two classes differ only in case or Unicode form.
    """
    walk, notes = Walk(directory), list[str]()
    names_file = directory / NAMES_FILE
    names = read_class_names(names_file) if names_file.is_file() else None
    roots = _find_splits(walk, names, notes)
    folders = {split: walk.subfolders(root) for split, root in roots.items()}
    class_names = _class_names(walk, roots["train"], folders["train"], names)
    images: dict[SplitName, dict[str, list[str]]] = {}
    for split, root in roots.items():
        images[split] = walk.images_below(root, folders[split])
        for name, ids in images[split].items():
            if ids and name not in class_names:
                raise BakeoffError(_unknown_class(directory / root, name, class_names))
    if names is None:
        class_names = _without_empty(walk, roots["train"], images, class_names, notes)
    beginning = os.path.join(directory, "")  # noqa: PTH118 - a Path of each image would take longer
    splits: dict[SplitName, list[ListedImage]] = {
        split: [
            ListedImage(image_id, label, beginning + image_id)
            for label, name in enumerate(class_names)
            for image_id in of_split.get(name, ())
        ]
        for split, of_split in images.items()
    }
    if roots["train"] == "":
        splits = _splits_within_classes(splits, notes)
    if num_loose := sum(walk.num_images_in(root) for root in roots.values()):
        notes.append(f"Ignored {counted(num_loose, 'image')} outside of the class folders.")
    return Listing(splits, class_names, (*notes, *walk.notes()))


def _find_splits(walk: Walk, names: tuple[str, ...] | None, notes: list[str]) -> dict[SplitName, str]:
    """The folder of each split, or "" for train if the class folders are not in one."""
    directory, folders = walk.directory, walk.subfolders("")
    split_of = {name: split for name in folders if (split := split_named(name))}
    others = [name for name in folders if name not in split_of]
    similar = {name: split for name in folders if (split := split_suggested(name))}
    if not similar or set(folders) == {*(names or ())}:
        return {"train": ""}
    nested = [name for name in split_of if walk.subfolders(name)]
    may_be_class = len(split_of) == 1 and bool(WORDS & {name.lower() for name in split_of}) and not nested
    several = len(similar) == len(folders) or {"train"} < set(similar.values())
    if others and (may_be_class or (not split_of and not several)):
        notes.append(f"Read as classes, not as splits: {listed([*similar])}.")
        return {"train": ""}
    if split_of and "train" not in split_of.values():
        raise BakeoffError(f"{directory} has a folder {listed([*split_of])} but no train; {LAYOUT}")
    beside = Walk(directory).images_below("", others)
    num_beside = {name: len(images) for name, images in beside.items()}
    if not split_of or (any(num_beside.values()) and len(nested) < 2):
        raise BakeoffError(
            f"{directory}: the folders {listed(folders[:10])} may be splits or classes; name those of splits "
            f"train, val and test, and move others away; if they are classes, list them in "
            f"{directory / NAMES_FILE}"
        )
    if others:
        counts = [f"{name} ({counted(number, 'image')})" for name, number in num_beside.items()]
        notes.append(f"Ignored the folders beside the splits: {', '.join(counts)}.")
    return _roots(walk, split_of, nested, notes)


def _roots(
    walk: Walk, split_of: dict[str, SplitName], nested: list[str], notes: list[str]
) -> dict[SplitName, str]:
    roots: dict[SplitName, str] = {}
    for split in SPLIT_NAMES:
        of_split = [name for name, own in split_of.items() if own == split]
        if len(of_split) > 1:
            raise BakeoffError(
                f"{walk.directory} has several folders for {split}, {listed(of_split)}; keep one of them"
            )
        for name in of_split:
            if split != "train" and name not in nested and (number := walk.num_images_in(name)):
                notes.append(
                    f"Ignored {counted(number, 'image')} in {name}, which are in no class folder: "
                    "their labels are not known."
                )
            else:
                roots[split] = name
    if renamed := [f"{name} as {split}" for split, name in roots.items() if name != split]:
        notes.append(f"The folders were read as splits: {listed(renamed)}.")
    return roots


def _class_names(
    walk: Walk, split: str, folders: Sequence[str], names: tuple[str, ...] | None
) -> tuple[str, ...]:
    directory, root = walk.directory, walk.directory / split
    if len(folders) == 1 and walk.subfolders(f"{split}/{folders[0]}".lstrip("/")):
        raise BakeoffError(
            f"found only one class folder, {root / folders[0]}, which has folders itself; "
            f"did you mean folder:{root / folders[0]}?"
        )
    if not folders:
        raise BakeoffError(
            f"no folders of images in {root}; expected one folder per class, as in {root}/CLASS/*.png"
        )
    names_file = directory / NAMES_FILE
    if names is None:
        refuse_similar_names(set(folders), f"list both in {names_file}")
        return tuple(folders)
    for name in names:
        if name not in folders:
            raise BakeoffError(
                f"{names_file} names the class {name!r}, but there is no folder {root / name}"
                f"{_similar(name, folders)}"
            )
    for name in folders:
        if name not in names:
            raise BakeoffError(
                f"{names_file} lacks the class {name!r} of the folder {root / name}; add a line"
            )
    return names


def _unknown_class(root: Path, name: str, class_names: Sequence[str]) -> str:
    return (
        f"{root} has the class {name!r}, which train lacks{_similar(name, class_names)}; "
        f"add training images of it, or remove {root / name}"
    )


def _similar(name: str, names: Sequence[str]) -> str:
    """What tells a name apart from a similar one; "" if there is none."""
    other = next((other for other in names if plain_form(other) == plain_form(name)), None)
    if other is None:
        return ""
    return f" ({other!r} differs only in {difference(other, name)}: rename one of the two)"


def _without_empty(
    walk: Walk,
    root: str,
    images: dict[SplitName, dict[str, list[str]]],
    class_names: tuple[str, ...],
    notes: list[str],
) -> tuple[str, ...]:
    """The classes without those whose folders are empty.

    Raises
    ------
    BakeoffError
        If a class without an image has other files.
    """
    empty = [name for name in class_names if not any(of_split.get(name) for of_split in images.values())]
    for name in empty:
        alone = Walk(walk.directory)
        alone.images_below(root, [name])
        if kinds := alone.kinds_not_read():
            raise BakeoffError(
                f"no image in {walk.directory / root / name}, but files of kinds that are not read: {kinds}; "
                "convert them to PNG or JPEG, or remove the folder"
            )
    if empty and len(empty) < len(class_names):
        notes.append(f"Ignored the class folders that are empty: {listed(empty)}.")
    elif empty:
        raise BakeoffError(f"no image in {walk.directory / root}; add images to its class folders")
    return tuple(name for name in class_names if name not in empty)


def _splits_within_classes(
    listing: dict[SplitName, list[ListedImage]], notes: list[str]
) -> dict[SplitName, list[ListedImage]]:
    """The splits, if all class folders are divided into them, as in CLASS/train/*."""
    names = [image.id.split("/")[1] for image in listing["train"]]
    split_of = {name: split_named(name) for name in set(names)}
    if not {"train"} < {split for split in split_of.values() if split}:
        return listing
    unclear = [image.id for image, name in zip(listing["train"], names, strict=True) if not split_of[name]]
    if unclear:
        raise BakeoffError(
            f"some class folders are divided into splits, but {counted(len(unclear), 'image')} in no split; "
            f"move them into one, or rename the folders:\n{list_some(unclear)}"
        )
    notes.append("The splits are the folders in the class folders.")
    splits: dict[SplitName, list[ListedImage]] = {}
    for image, name in zip(listing["train"], names, strict=True):
        splits.setdefault(split_of[name] or "train", []).append(image)
    return splits
