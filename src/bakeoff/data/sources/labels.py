"""Labels: from what a source writes, names or numbers, to indices into class names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.sources.listing import read_class_names
from bakeoff.errors import BakeoffError
from bakeoff.text import list_some, shorten

SETTING = "data.class_names"

NUMBER = re.compile(r"([+-]?[0-9]{1,9})(\.0+)?")


class Names(NamedTuple):
    """Class names in label order, and where they are written, for messages."""

    class_names: tuple[str, ...]
    origin: str


class Labels(NamedTuple):
    """The labels of all images of a source.

    Attributes
    ----------
    class_names
        In label order.
    indices
        For each image an index into the class names.
    notes
        Sentences on how labels were understood.
    """

    class_names: tuple[str, ...]
    indices: list[int]
    notes: tuple[str, ...] = ()


def find_names(folder: Path, setting: tuple[str, ...] | None) -> tuple[Names | None, str]:
    """The names of `class_names.txt` in a folder, or else of `data.class_names`; how to give such."""
    file = folder / "class_names.txt"
    remedy = f"set data.class_names, or write {file}, with the names in label order"
    if file.is_file():
        return Names(read_class_names(file), str(file)), remedy
    return Names(setting, SETTING) if setting else None, remedy


def read_labels(
    texts: Sequence[str], locate: Callable[[int], str], names: Names | None, remedy: str
) -> Labels:
    """Read labels from a text file: whole numbers (2.0 is one), or names.

    Without `names`, names are sorted, and numbers are their own names.

    Parameters
    ----------
    texts
        For each image, not empty.
    locate
        The place of an image's label, such as FILE:LINE, for messages.
    names
        In label order, if they are known.
    remedy
        How to give the names in label order, for messages.

    Raises
    ------
    BakeoffError
        If numbers and names are mixed, a number is not a label, a name is not one of `names`, or two names
        differ only in case or Unicode form.
    """
    numeric = [NUMBER.fullmatch(text) for text in texts]
    if names and names.origin == SETTING and not any(numeric) and not {*texts} & {*names.class_names}:
        names = None  # of other images: a built-in study on a user's own
    if all(numeric) and not (names and set(texts) <= set(names.class_names)):
        numbers = np.array([int(match[1]) for match in numeric if match], np.int64)
        return number_labels(numbers, locate, names, remedy)
    number = next((index for index, match in enumerate(numeric) if match), None)
    if names is None and number is not None:
        name = numeric.index(None)
        raise BakeoffError(
            f"{locate(number)} has the integer label {texts[number][:20]}, but {locate(name)} the name "
            f"{shorten(texts[name])}; use only one kind, or {remedy}"
        )
    class_names = names.class_names if names else sorted_names(set(texts), remedy)
    index_of = {name: index for index, name in enumerate(class_names)}
    for index, match in enumerate(numeric):
        if match and texts[index] not in index_of and int(match[1]) in range(len(class_names)):
            index_of[texts[index]] = int(match[1])
    unknown = [index for index, text in enumerate(texts) if text not in index_of]
    if names and unknown:
        expected = f"expected 0..{len(class_names) - 1} or a name of {names.origin}"
        _refuse(
            [f"{locate(i)}: label {shorten(texts[i])} is outside the classes; {expected}" for i in unknown]
        )
    return Labels(class_names, [index_of[text] for text in texts])


def number_labels(
    numbers: NDArray[np.int64], locate: Callable[[int], str], names: Names | None, remedy: str
) -> Labels:
    """Read labels that are whole numbers, which count from 0, or from 1 if no label is 0; see `read_labels`.

    They count from 1 if they are exactly 1 to the number of names, or without names 1 to K without gaps.

    Raises
    ------
    BakeoffError
        If a number is outside the names, or without names, if there are gaps.
    """
    used = np.unique(numbers)
    num_classes = len(names.class_names) if names else len(used)
    counts_from_1 = len(used) > 0 and used[0] >= 1 and used[-1] == num_classes
    first = 1 if counts_from_1 else 0
    outside = np.flatnonzero((numbers < first) | (numbers >= first + num_classes)).tolist()
    if outside and names:
        _refuse([f"{locate(i)}: {_outside(str(numbers[i]), names)}" for i in outside])
    if outside:
        unused = next(label for label in range(num_classes + 1) if label not in used)
        _refuse(
            [
                f"{locate(i)}: label {numbers[i]} is outside the classes: no image has label {unused}, "
                f"and integer labels must be 0..K-1 without gaps (or {remedy})"
                for i in outside
            ]
        )
    class_names = names.class_names if names else tuple(map(str, range(first, first + num_classes)))
    notes = []
    if counts_from_1:
        notes.append(f"The labels count from 1: label 1 is class {class_names[0]!r}.")
    if names and names.origin == SETTING:
        notes.append("The class names are those of data.class_names.")
    return Labels(class_names, (numbers - first).tolist(), tuple(notes))


def sorted_names(names: set[str], remedy: str) -> tuple[str, ...]:
    """Class names in alphabetical order.

    Raises
    ------
    BakeoffError
        If two of them differ only in case or Unicode form: they may be one class.
    """
    refuse_similar_names(names, remedy)
    return tuple(sorted(names))


def refuse_similar_names(names: set[str], remedy: str) -> None:
    """Check that no two names differ only in case or Unicode form; `remedy` says how to keep them apart."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        other = seen.setdefault(plain_form(name), name)
        if other != name:
            raise BakeoffError(
                f"the classes {shorten(other)} and {shorten(name)} differ only in {difference(other, name)}; "
                f"write both in the same way if they are one class; if they are two, {remedy}"
            )


def plain_form(name: str) -> str:
    """A name without differences that a person may not see: of case, Unicode form and blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def difference(name: str, other: str) -> str:
    """What tells apart two names of the same plain form."""
    if name.casefold() == other.casefold():
        return "case"
    return "Unicode form" if "".join(name.split()) != "".join(other.split()) else "blanks"


def unused_names_note(class_names: tuple[str, ...], setting: tuple[str, ...] | None) -> tuple[str, ...]:
    """A sentence if `data.class_names` is set, but the source has class names of its own."""
    if not setting or class_names == setting:
        return ()
    return ("data.class_names was not used: the source has class names of its own.",)


def _outside(label: str, names: Names) -> str:
    expected = f"expected 0..{len(names.class_names) - 1} or a name of {names.origin}"
    return f"label {shorten(label)} is outside the classes; {expected}"


def _refuse(problems: list[str]) -> None:
    if len(problems) == 1:
        raise BakeoffError(problems[0])
    raise BakeoffError(f"{len(problems):,} problems with labels; correct them:\n{list_some(problems)}")
