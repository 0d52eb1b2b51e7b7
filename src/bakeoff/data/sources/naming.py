"""The sources that a study file can name, KIND:DIR, and the function that lists the images of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bakeoff.data.sources.cifar10 import list_cifar10
from bakeoff.data.sources.class_folders import list_class_folders
from bakeoff.data.sources.digits import list_digits
from bakeoff.data.sources.listing import Listing
from bakeoff.data.sources.split_files import list_split_files
from bakeoff.data.sources.stl10 import list_stl10
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings
from bakeoff.text import did_you_mean, shorten

FOLDER_SOURCES: dict[str, Callable[[Path, DataSettings], Listing]] = {
    "splits": lambda directory, settings: list_split_files(
        directory, first_line_is_header=settings.first_line_is_header
    ),
    "folder": lambda directory, _: list_class_folders(directory),
    "stl10": list_stl10,
    "cifar10": lambda directory, _: list_cifar10(directory),
}
"""For each kind, the function that lists the images of a source KIND:DIR."""

KINDS = ("digits", *FOLDER_SOURCES)

ARRAYS = "arrays"

VALID_SOURCES = ", ".join(["digits", *(f"{kind}:DIR" for kind in FOLDER_SOURCES)])


def check_source(settings: DataSettings) -> None:
    """Check that the source is valid and its folder exists; no image is read.

    Raises
    ------
    BakeoffError
        If it is not, or does not.
    """
    kind, colon, folder = settings.source.partition(":")
    if settings.source == ARRAYS:
        raise BakeoffError(
            "the images of this study are arrays that were passed in Python; pass them again, "
            "or choose another source",
            "data",
        )
    if kind not in KINDS:
        hint = did_you_mean(kind.lower(), KINDS, cutoff=0.5)
        if not hint and os.path.isdir(settings.source):  # noqa: PTH112 - Path raises on names that are too long
            hint = f"; did you mean {'folder:' + settings.source!r}?"
        raise BakeoffError(
            f"unknown data source {shorten(settings.source)}{hint} (valid: {VALID_SOURCES})", "data"
        )
    if settings.first_line_is_header and kind != "splits":
        raise BakeoffError(
            f"data.first_line_is_header is for splits:DIR only, but data.source is {settings.source!r}; "
            "set it to false"
        )
    if kind == "digits":
        if colon:
            raise BakeoffError(
                f"data source {settings.source!r}: digits takes no folder; write digits alone", "data"
            )
        return
    if not folder:
        raise BakeoffError(f"data source {settings.source!r} lacks its folder; write {kind}:DIR", "data")
    with _naming_the_source(settings):
        _require_directory(Path(folder).expanduser(), kind)


def list_source(settings: DataSettings) -> Listing:
    """List the images of a source with their labels and splits; none is decoded yet.

    Raises
    ------
    BakeoffError
        If the source is unknown, does not exist, or has not the structure of its kind.
    """
    check_source(settings)
    kind, _, folder = settings.source.partition(":")
    if kind == "digits":
        return list_digits()
    with _naming_the_source(settings):
        return FOLDER_SOURCES[kind](Path(folder).expanduser(), settings)


@contextmanager
def _naming_the_source(settings: DataSettings) -> Iterator[None]:
    """Name the source in the message if it cannot be read."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: ~NAME of no user; ValueError: NUL
        reason = getattr(error, "strerror", None) or error
        raise BakeoffError(f"cannot read data source {shorten(settings.source)}: {reason}", "data") from error


def _require_directory(directory: Path, kind: str) -> None:
    if directory.is_dir():
        return
    if directory.exists():
        raise BakeoffError(f"{directory} is a file; expected a folder", "data")
    parent = directory.absolute().parent
    siblings = [entry.name for entry in parent.iterdir() if entry.is_dir()] if parent.is_dir() else []
    hint = did_you_mean(directory.name, siblings) or f"; looked in {parent}"
    if kind == "stl10":
        hint += (
            f"\n`bakeoff data fetch stl10 {directory}` downloads it (2.6 GB); "
            "if you have the images elsewhere, choose splits:DIR, folder:DIR or stl10:DIR"
        )
    raise BakeoffError(f"no folder {directory}{hint}", "data")
