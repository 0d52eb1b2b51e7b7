"""draft_study(): a commented study file for the images that are in a folder or a table."""

from __future__ import annotations

import io
import re
import textwrap
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tomli_w
from PIL import Image

from bakeoff.data.image_data import SPLIT_NAMES
from bakeoff.data.sources.finding import TABLES, find_sources, group_column
from bakeoff.data.sources.listing import ListedImage, Listing, check_listing, split_named
from bakeoff.data.sources.naming import list_source
from bakeoff.data.splits import complete_splits
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings
from bakeoff.study.schema import SCHEMA_FILE
from bakeoff.templates import render
from bakeoff.text import counted, listed, printable

SAMPLE = 64
"""Number of images whose size is looked at."""

SMALL = 48
"""Images of a smaller median side are taken as simple ones, for which LeNet-5 at 32 x 32 is enough."""

UNBALANCED = 2.0
"""From this ratio of the largest class to the smallest, accuracy mostly measures the largest."""

EPOCHS = ((2_000, 100), (20_000, 50))
"""Number of epochs for fewer training images than this; 20 for more."""

NUM_CLASSES_NAMED = 12


@dataclass(frozen=True)
class Draft:
    """A study file.

    Attributes
    ----------
    name
        Of the study.
    text
        TOML.
    source
        Of the images.
    num_images
        In all splits.
    """

    name: str
    text: str
    source: str
    num_images: int


def draft_study(place: Path) -> Draft:
    """Write a study for the images of a folder or a table: two recipes to begin with, and comments.

    Parameters
    ----------
    place
        A folder of class folders, of splits or of a table, or a table. In the current folder, a table or a
        folder in it is found.

    Raises
    ------
    BakeoffError
        If there are no images with labels, several sources may be meant, or there are too few images to train
        on and to test with.
    """
    settings, listing = _read(place)
    own_name = Path(settings.source.partition(":")[2])
    own_name = own_name.absolute() if own_name == Path() else own_name
    folder = own_name.name
    if own_name.is_file():  # labels.csv of a folder, but mnist.npz
        is_table = own_name.suffix.lower() in TABLES
        folder = own_name.parent.absolute().name if is_table else own_name.stem
    # Letters without their marks: "für" becomes "fur", not "f-r".
    letters = re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", folder.replace("ß", "ss")))
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", letters).strip("-_")[:64] or "my-study"
    text = _text(name, settings, listing)
    return Draft(name, text, settings.source, sum(map(len, listing.splits.values())))


def _read(place: Path) -> tuple[DataSettings, Listing]:
    """The source that is there, with its images in all three splits."""
    here = place.resolve() == Path.cwd()
    sources = [source for source in find_sources(place) if not (here and source.startswith("folder:"))]
    if here and not sources:
        sources = _in_current_folder(place)
    if not sources:
        raise BakeoffError(
            f"{place}: no images with labels; expected a folder of images per class, as {place / 'CLASS/*'} "
            f"or {place / 'train/CLASS/*'}, or a table, as {place / 'labels.csv'} with image and label"
        )
    read, errors = [], []
    for source in sources:
        try:
            read.append(_complete(source))
        except BakeoffError as error:
            errors.append(error)
    others = [found for found in read if not found[0].source.startswith("folder:")]
    if not read:
        raise errors[0] if len(errors) == 1 else BakeoffError("\n".join(map(str, errors)))
    if len(others) > 1:
        names = [found[0].source.partition(":")[2] for found in others]
        raise BakeoffError(f"{place}: several tables list images; name one: {listed(names)}")
    return (others or read)[0]


def _in_current_folder(place: Path) -> list[str]:
    """The sources that folders in the current folder are, if that is one of them."""
    folders = [path for path in sorted(place.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    found = {folder: find_sources(folder) for folder in folders}
    found = {folder: sources for folder, sources in found.items() if sources}
    if any(split_named(folder.name) for folder in folders) or (find_sources(place) and not found):
        raise BakeoffError(
            "the folders of splits or classes are in the current folder, where results would be taken for "
            f"one more; go to the folder above it, and name {Path.cwd().name}"
        )
    if len(found) > 1:
        raise BakeoffError(
            f"several folders here may hold the images; name one: {listed([f.name for f in found])}"
        )
    return next(iter(found.values()), [])


def _complete(source: str) -> tuple[DataSettings, Listing]:
    """The settings of a source, and its images in three splits."""
    settings = DataSettings(source=source)
    path = Path(source.partition(":")[2])
    candidates = [settings]
    if source.startswith("csv:") and path.is_file() and (column := group_column(path)):
        candidates.insert(0, DataSettings(source=source, columns={"group": column}))
    for settings in candidates:
        listing = list_source(settings)
        try:
            listing = complete_splits(listing, settings)
            check_listing(listing)
        except BakeoffError as error:  # such as too few groups for three splits
            if settings is candidates[-1]:
                raise BakeoffError(f"{source}: {error}") from error
        else:
            break
    return settings, listing


def _text(name: str, settings: DataSettings, listing: Listing) -> str:
    """The study file."""
    counts = Counter(image.label for images in listing.splits.values() for image in images)
    ratio = max(counts.values()) / min(counts.values())
    side, is_gray = _look_at(listing)
    is_small = side is None or side < SMALL
    num_train = len(listing.splits["train"])
    variables = {
        "schema_file": SCHEMA_FILE,
        "name": name,
        "variation": "batch_norm" if is_small else "crop_and_flip",
        "about": [_described(listing, counts), *listing.notes],
        "settings": settings,
        "has_groups": any(image.group for image in listing.splits["train"]),
        "size": 32 if is_small else 64,
        "original": "" if side is None else f"; their median side is {side:g}",
        "is_gray": is_gray,
        "is_small": is_small,
        "unbalanced": f"The largest class has {ratio:.1f} times as many images as the smallest, so accuracy "
        "would mostly measure the largest; this is the mean of the classes' accuracies."
        if ratio >= UNBALANCED
        else "",
        "epochs": next((number for limit, number in EPOCHS if num_train < limit), 20),
        "batch_size": 128 if num_train >= 2_000 else 32,
    }
    return render("bakeoff.study", "draft.toml.j2", variables, {"toml": _value, "comment": _comment})


def _described(listing: Listing, counts: Counter[int]) -> str:
    """The classes and splits with their numbers of images."""
    names = [
        f"{printable(name)} ({counts[label]:,})"
        for label, name in enumerate(listing.class_names[:NUM_CLASSES_NAMED])
    ]
    if len(listing.class_names) > NUM_CLASSES_NAMED:
        names.append(f"{len(listing.class_names) - NUM_CLASSES_NAMED:,} others")
    splits = listed([f"{len(listing.splits[split]):,} in {split}" for split in SPLIT_NAMES])
    classes = f"{len(listing.class_names)} classes, {listed(names)}"
    return f"{counted(counts.total(), 'image')} of {classes}: {splits}."


def _look_at(listing: Listing) -> tuple[float | None, bool]:
    """The median side of some images, None if none can be read, and whether all of them are gray."""
    images = [image for split in listing.splits.values() for image in split]
    sides: list[int] = []
    modes: set[str] = set()
    for listed_image in images[:: max(1, len(images) // SAMPLE)]:
        if (found := _size(listed_image)) is not None:
            sides += found[:2]
            modes.add(found[2])
    return (median(sides) if sides else None), modes <= {"L", "1", "I;16", "I", "F"} and bool(modes)


def _size(image: ListedImage) -> tuple[int, int, str] | None:
    content = image.image
    if isinstance(content, np.ndarray):
        is_gray = np.array_equal(content[..., 0], content[..., 1])
        return content.shape[1], content.shape[0], "L" if is_gray else "RGB"
    try:
        with Image.open(content if isinstance(content, str) else io.BytesIO(content)) as opened:
            return *opened.size, opened.mode
    except (OSError, ValueError, Image.DecompressionBombError):  # `run` says which cannot be decoded
        return None


def _value(value: Any) -> str:
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _comment(text: str) -> str:
    """Lines of a comment; file names in it may contain anything."""
    line = printable(text.replace("\n", " "))
    return textwrap.fill(line, 100, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
