"""ImageFinder: from a path as people write it in a table to the file that is meant."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import defaultdict
from pathlib import Path

from bakeoff.data.sources.walking import IMAGE_SUFFIXES
from bakeoff.text import shorten


class ImageFinder:
    """Finds image files in a folder; each folder in it is read once.

    Beside exact paths, it finds backslashes for slashes, names without extension (`17` for `17.jpg`), and
    names that differ in case or Unicode form only. An absolute path has to lie in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, tuple[set[str], dict[str, list[str]]]] = {}

    def find(self, text: str) -> tuple[str, str]:
        """The path of the file relative to the folder, with slashes, and ""; or "" and what is wrong."""
        problem = f"no file {_short(text)} in {self.folder}"
        for path in dict.fromkeys((text, text.replace("\\", "/"))):
            path = posixpath.normpath(path)
            if posixpath.isabs(path):
                try:
                    path = Path(path).relative_to(self.folder.absolute()).as_posix()
                except ValueError:
                    problem = f"{_short(text)} is absolute; paths are relative to {self.folder}"
                    continue
            if path.startswith("../"):
                problem = f"{_short(text)} leads out of {self.folder}; move the image into it"
                continue
            parent, name = posixpath.split(path)
            exact, similar = self._names(parent)
            candidates = [name] if name in exact else similar.get(_key(name), [])
            if len(candidates) == 1:
                return posixpath.join(parent, candidates[0]), ""
            if candidates:
                problem = (
                    f"{_short(text)} may be {' or '.join(map(repr, candidates[:3]))}; write the whole name"
                )
        return "", problem

    def _names(self, parent: str) -> tuple[set[str], dict[str, list[str]]]:
        """The names of the files in a folder, and for each key of a name or a stem the names it may mean."""
        if parent not in self._files:
            names: set[str] = set()
            similar: dict[str, list[str]] = defaultdict(list)
            try:
                with os.scandir(self.folder / parent) as entries:
                    names = {entry.name for entry in entries if _is_file(entry)}
            except PermissionError:
                raise
            except (OSError, ValueError):  # no such folder; ValueError: a name that no folder can have
                pass
            for name in sorted(names):
                stem, suffix = posixpath.splitext(name)
                for key in {_key(name), _key(stem) if suffix.lower() in IMAGE_SUFFIXES else _key(name)}:
                    similar[key].append(name)
            self._files[parent] = names, dict(similar)
        return self._files[parent]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link in a circle
        return False


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _short(path: str) -> str:
    return shorten(path, 300)
