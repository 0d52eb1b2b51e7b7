"""The sources that a study file can name, KIND:PATH, and the function that lists the images of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from bakeoff.data.sources.cifar10 import list_cifar10
from bakeoff.data.sources.class_folders import list_class_folders
from bakeoff.data.sources.digits import list_digits
from bakeoff.data.sources.idx import list_idx
from bakeoff.data.sources.listing import Listing
from bakeoff.data.sources.npz import list_npz
from bakeoff.data.sources.parquet import list_parquet
from bakeoff.data.sources.split_files import list_split_files
from bakeoff.data.sources.stl10 import list_stl10
from bakeoff.data.sources.tables.csv_file import list_csv
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings
from bakeoff.text import command, did_you_mean_path, listed, nearest, shorten


class SourceKind(NamedTuple):
    """A kind of source that is read from files.

    Attributes
    ----------
    takes
        What stands after the colon: DIR, FILE, or PATH for either.
    list
        Lists the images, given the path and the [data] settings.
    settings
        The keys of [data] that only some kinds have, and this one.
    """

    takes: Literal["DIR", "FILE", "PATH"]
    list: Callable[[Path, DataSettings], Listing]
    settings: tuple[str, ...] = ()


FILE_SOURCES: dict[str, SourceKind] = {
    "folder": SourceKind("DIR", lambda directory, _: list_class_folders(directory)),
    "csv": SourceKind("PATH", list_csv, ("columns", "image_folder")),
    "parquet": SourceKind("PATH", list_parquet, ("columns",)),
    "splits": SourceKind(
        "DIR",
        lambda directory, settings: list_split_files(
            directory,
            first_line_is_header=settings.first_line_is_header,
            class_names=settings.class_names,
        ),
        ("first_line_is_header",),
    ),
    "idx": SourceKind("DIR", lambda directory, settings: list_idx(directory, settings.class_names)),
    "npz": SourceKind("FILE", lambda file, settings: list_npz(file, settings.class_names)),
    "stl10": SourceKind("DIR", list_stl10),
    "cifar10": SourceKind("DIR", lambda directory, _: list_cifar10(directory)),
}

KINDS = ("digits", *FILE_SOURCES)

ARRAYS = "arrays"

VALID_SOURCES = ", ".join(["digits", *(f"{kind}:{source.takes}" for kind, source in FILE_SOURCES.items())])


def check_source(settings: DataSettings) -> None:
    """Check that the source is valid and its folder or file exists; no image is read.

    Raises
    ------
    BakeoffError
        If it is not, or does not.
    """
    kind, colon, path = settings.source.partition(":")
    if settings.source == ARRAYS:
        raise BakeoffError(
            "the images of this study are arrays that were passed in Python; pass them again, "
            "or choose another source",
            "data",
        )
    if kind not in KINDS:
        near = nearest(kind.lower(), KINDS, cutoff=0.5)
        hint = f"; did you mean {shorten(near + colon + path)}?" if near else ""
        if not hint and os.path.isdir(settings.source):  # noqa: PTH112 - Path raises on names that are too long
            hint = f"; did you mean {'folder:' + settings.source!r}?"
        elif not hint and settings.source.lower().endswith((".csv", ".tsv", ".jsonl")):
            hint = f"; did you mean {shorten('csv:' + settings.source)}?"
        raise BakeoffError(
            f"unknown data source {shorten(settings.source)}{hint} (valid: {VALID_SOURCES})", "data"
        )
    own_keys = FILE_SOURCES[kind].settings if kind in FILE_SOURCES else ()
    for key in {key for source in FILE_SOURCES.values() for key in source.settings} - {*own_keys}:
        if getattr(settings, key):
            kinds = [f"{k}:{source.takes}" for k, source in FILE_SOURCES.items() if key in source.settings]
            raise BakeoffError(
                f"data.{key} is for {listed(kinds)} only, but data.source is {shorten(settings.source)}; "
                f"{'set it to false' if key == 'first_line_is_header' else 'remove it'}"
            )
    if kind == "digits":
        if colon:
            raise BakeoffError(
                f"data source {settings.source!r}: digits takes no folder; write digits alone", "data"
            )
        return
    takes = FILE_SOURCES[kind].takes
    if not path:
        lacking = {"DIR": "folder", "FILE": "file"}.get(takes, "file or folder")
        raise BakeoffError(
            f"data source {settings.source!r} lacks its {lacking}; write {kind}:{takes}", "data"
        )
    with _naming_the_source(settings):
        _require(Path(path).expanduser(), kind, takes)


def list_source(settings: DataSettings) -> Listing:
    """List the images of a source with their labels and splits; none is decoded yet.

    Raises
    ------
    BakeoffError
        If the source is unknown, does not exist, or has not the structure of its kind.
    """
    check_source(settings)
    kind, _, path = settings.source.partition(":")
    if kind == "digits":
        return list_digits()
    with _naming_the_source(settings):
        return FILE_SOURCES[kind].list(Path(path).expanduser(), settings)


@contextmanager
def _naming_the_source(settings: DataSettings) -> Iterator[None]:
    """Name the source in the message if it cannot be read."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: ~NAME of no user; ValueError: NUL
        reason = getattr(error, "strerror", None) or error
        raise BakeoffError(f"cannot read data source {shorten(settings.source)}: {reason}", "data") from error


def _require(path: Path, kind: str, takes: str) -> None:
    """Check that there is a folder or a regular file, as the kind takes it."""
    if (path.is_dir() and takes != "FILE") or (path.is_file() and takes != "DIR"):
        return
    wanted = "folder" if takes == "DIR" else "file"
    if path.exists():
        found = "folder" if path.is_dir() else "file"
        raise BakeoffError(
            f"{path} is {'a ' + found if found != wanted else 'not a regular file'}; expected a {wanted}",
            "data",
        )
    parent = path.absolute().parent
    siblings = [e.name for e in parent.iterdir() if e.is_dir() or takes != "DIR"] if parent.is_dir() else []
    hint = did_you_mean_path(path, siblings) or f"; looked in {parent}"
    if kind == "stl10":
        hint += (
            f"\n`{command('data', 'fetch', 'stl10', path)}` downloads it (2.6 GB); "
            "if you have the images elsewhere, choose splits:DIR, folder:DIR or stl10:DIR"
        )
    raise BakeoffError(f"no {wanted} {path}{hint}", "data")
