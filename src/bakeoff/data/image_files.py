"""Image files without labels: what a user names on the command line, folders walked one by one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bakeoff.data.class_folders import IMAGE_SUFFIXES


def image_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Give the files among `paths`, and the image files in the folders among them, at any depth.

    A file that is named is given whatever its name, and whether it is there or not. Of a folder, the files
    with an image's extension are given in the order of their names, before those of its folders; what is
    hidden is passed over. Links are followed, but no folder is entered twice. The names of one folder at a
    time are held in memory, those of the folders above it, and the identity of each folder seen.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - Path raises on names that are too long
            yield from _below(path, seen)
        else:
            yield path


def _below(root: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            found = os.stat(folder)  # noqa: PTH116
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
            names, folders = _entries(folder)
        except OSError:
            yield folder  # whoever reads it meets the reason
            continue
        yield from (folder / name for name in names)
        waiting += [folder / name for name in reversed(folders)]


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The names of image files, and of folders, in order."""
    names, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122 - for speed
                names.append(entry.name)
    return sorted(names), sorted(folders)
