"""Listing: the images of a source, before they are decoded."""

from __future__ import annotations

import codecs
import re
import sys
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.errors import BakeoffError
from bakeoff.text import listed


class ListedImage(NamedTuple):
    """One image of a source, with its name and label.

    Attributes
    ----------
    id
        Unique within its split; for files the path relative to the source's folder.
    label
        Index into the class names.
    image
        The path of a file to decode, or its content, or uint8 [height, width, 3], often a view of a
        memory-mapped file.
    group
        The name of the images that belong together with it, such as those of one patient; "" if the source
        has no groups.
    """

    id: str
    label: int
    image: str | bytes | NDArray[np.uint8]
    group: str = ""


@dataclass(frozen=True)
class Listing:
    """The images of a source by split.

    Attributes
    ----------
    splits
        Always has train; val and test only if the source has them.
    class_names
        In label order.
    notes
        Sentences on how the listing was made, without paths.
    """

    splits: dict[SplitName, list[ListedImage]]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def without(self, indices: Container[int]) -> Listing:
        """The listing without the images at these positions, counted through train, val and test."""
        start, splits = 0, {}
        for name in SPLIT_NAMES:
            images = self.splits[name]
            splits[name] = [image for index, image in enumerate(images, start) if index not in indices]
            start += len(images)
        return Listing(splits, self.class_names, self.notes)


_SPLIT_WORDS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "development": "val",
    "test": "test",
    "testing": "test",
}

_NUMBER = re.compile("([0-9]+)")

_SPLIT_NAME = re.compile(rf"({'|'.join(_SPLIT_WORDS)})([ _.-]?(set|data|dataset|images|split))?")

_PART_OF_SPLIT: dict[str, SplitName] = {
    **_SPLIT_WORDS,
    **dict.fromkeys(("eval", "evaluation", "holdout", "heldout", "unlabeled", "unlabelled"), "test"),
}


def split_named(text: str) -> SplitName | None:
    """The split that a folder, file or cell of this name means, as "Training_Set" does; None if none."""
    match = _SPLIT_NAME.fullmatch(text.strip().lower())
    return _SPLIT_WORDS[match[1]] if match else None


def split_suggested(text: str) -> SplitName | None:
    """The split that a name may mean, or mean a part of, such as "train_1" or "cats-test"; None if none."""
    words = re.split("[^a-z]+", text.lower())
    return split_named(text) or next((_PART_OF_SPLIT[word] for word in words if word in _PART_OF_SPLIT), None)


def check_listing(listing: Listing) -> None:
    """Check that a classifier can be trained on these images.

    Raises
    ------
    BakeoffError
        If a split is empty, there are fewer than two classes, a class has no training image, or a name is not
        valid Unicode.
    """
    _refuse_undecodable([*listing.class_names, *(i.id for images in listing.splits.values() for i in images)])
    for name, images in listing.splits.items():
        if not images:
            raise BakeoffError(f"the {name} split is empty; add images to it, or remove it")
    if len(listing.class_names) < 2:
        raise BakeoffError(
            f"found only one class, {listing.class_names[0]!r}; a classifier needs images of at least two"
        )
    counts = {name: Counter(image.label for image in images) for name, images in listing.splits.items()}
    for label, class_name in enumerate(listing.class_names):
        if counts["train"][label] == 0:
            others = [f"{split} has {counts[split][label]}" for split in counts if counts[split][label]]
            raise BakeoffError(
                f"class {class_name!r} (label {label}) has no image in train"
                f"{', while ' + listed(others) if others else ''}; "
                "add training images of it, or remove the class (labels count from 0, without gaps)"
            )


def _refuse_undecodable(names: list[str]) -> None:
    """Refuse file names that are not UTF-8: they have lone surrogates, which cannot be written to results."""
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        position, encoding = error.start, sys.getfilesystemencoding()
        remedy = "rename the file or folder"
        if encoding != "utf-8":
            remedy = "set the environment variable PYTHONUTF8=1 if it is UTF-8"
        for name in names:
            if position < len(name):
                raise BakeoffError(f"the name {name!r} is not {encoding.upper()}; {remedy}") from error
            position -= len(name)


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read class names from a UTF-8 text file, one per line, in label order.

    Raises
    ------
    BakeoffError
        If a line is empty or a name is repeated.
    """
    names = [line.strip() for line in read_lines(path)]
    while names and not names[-1]:  # the official CIFAR-10 file ends with an empty line
        names.pop()
    if not names:
        raise BakeoffError(f"{path} is empty; expected one class name per line")
    for number, name in enumerate(names, start=1):
        if not name:
            raise BakeoffError(f"{path}:{number}: empty line; expected one class name per line")
        if name in names[: number - 1]:
            raise BakeoffError(f"{path}:{number}: class {name!r} is listed twice; list each class once")
    return tuple(names)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file, which end with LF, CRLF or CR.

    Unlike in `str.splitlines`, rare separators such as U+2028 stay part of a line: file names may contain
    them.

    Raises
    ------
    BakeoffError
        As in `read_text`.
    """
    return split_lines(read_text(path))


def split_lines(text: str) -> list[str]:
    """The lines of a text, see `read_lines`."""
    lines = text.split("\n" if "\n" in text else "\r")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_text(path: Path) -> str:
    """Read a text file: UTF-8 with or without a byte order mark, or UTF-16 with one.

    Raises
    ------
    BakeoffError
        If the file cannot be read, has another encoding, or contains a NUL character.
    """
    try:
        content = path.read_bytes()
        utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BakeoffError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise BakeoffError(f"cannot read {path}: {error.strerror}") from error
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        raise BakeoffError(f"{path}:{number}: a NUL character; is this a text file?")
    return text


def natural_key(text: str) -> tuple[list[str | int], str]:
    """Sort key that puts "img2" before "img10"."""
    parts: list[str | int] = [*_NUMBER.split(text)]
    parts[1::2] = map(int, parts[1::2])  # text and numbers alternate
    return parts, text
