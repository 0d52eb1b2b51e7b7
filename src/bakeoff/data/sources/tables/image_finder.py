"""ImageFinder: from a path as people write it in a table to the file that is meant."""

from __future__ import annotations

import os
import posixpath
import unicodedata
import urllib.parse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from bakeoff.data.sources.walking import IMAGE_SUFFIXES, is_system
from bakeoff.errors import BakeoffError
from bakeoff.text import listed, shorten

MAX_DEPTH = 100
"""Of folders whose names may differ in case."""

MAX_PREFIX = 1000
"""The beginning that paths share is left out if it is not longer."""


class ImageFinder:
    """Finds image files in a folder; each folder in it is read once.

    Beside exact paths, it finds backslashes for slashes, names without extension (`17` for `17.jpg`), names
    that differ in case or Unicode form only, and names as in a URL (`%20`). An absolute path has to lie in
    the folder.

    Parameters
    ----------
    folder
        The folder of the images.
    prefix
        Left out where a path begins with it, such as the folder of another machine.
    """

    def __init__(self, folder: Path, prefix: str = "") -> None:
        self.folder = folder
        self.prefix = prefix
        self._folders: dict[str, str | None] = {"": ""}
        self._files: dict[str, tuple[set[str], dict[str, list[str]]]] = {}

    def find(self, text: str) -> tuple[str, str]:
        """The path of the file relative to the folder, with slashes, and ""; or "" and what is wrong."""
        problem = f"no file {_short(text)} in {self.folder}"
        forms = [text, text.replace("\\", "/")]
        if "%" in text:
            forms.append(urllib.parse.unquote(text))
        for path in dict.fromkeys(forms):
            if self.prefix:
                path = path.replace("\\", "/").removeprefix(self.prefix)
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
            if (actual := self._folder(parent)) is None:
                continue
            parent = actual
            exact, similar = self._names(parent)
            candidates = [name] if name in exact else similar.get(_key(name), [])
            if len(candidates) == 1:
                return posixpath.join(parent, candidates[0]), ""
            if candidates:
                problem = (
                    f"{_short(text)} may be {' or '.join(map(repr, candidates[:3]))}; write the whole name"
                )
            elif others := similar.get(_key(posixpath.splitext(name)[0]), []):
                problem += f"; there is {_short(posixpath.join(parent, others[0]))}"
        return "", problem

    def _folder(self, path: str) -> str | None:
        """The folder that is meant, whose name may differ in case or Unicode form; None if there is none."""
        if path not in self._folders:
            found = path if _is_folder(self.folder / path) else None
            parent, name = posixpath.split(path)
            if found is None and path.count("/") < MAX_DEPTH and (above := self._folder(parent)) is not None:
                names = [other for other in _folders(self.folder / above) if _key(other) == _key(name)]
                found = posixpath.join(above, names[0]) if len(names) == 1 else None
            self._folders[path] = found
        return self._folders[path]

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


def find_folder(
    finder: ImageFinder, sample: Sequence[Sequence[str]], *, choose: str
) -> tuple[ImageFinder, dict[int, list[str]]]:
    """Find where the images are that a sample of rows names.

    It is the finder's folder, or else the only one in it with such files, or else the finder's folder once
    the beginning that all paths of a column share is left out.

    Parameters
    ----------
    finder
        Of the folder where the paths should begin.
    sample
        Rows of cells, all of the same number.
    choose
        How to choose one of several folders, for the message.

    Returns
    -------
    The finder, and by column the files that its cells name, "" where there is none; only columns that do so
    in half of the rows or more.

    Raises
    ------
    BakeoffError
        If several folders have such files.
    """
    if files := _named_files(finder, sample):
        return finder, files
    folders = [name for name in _folders(finder.folder) if not is_system(name)]
    finders = [ImageFinder(finder.folder / name) for name in sorted(folders)]
    found = [(other, files) for other in finders if (files := _named_files(other, sample))]
    if len(found) > 1:
        names = listed([other.folder.name for other, _ in found][:5])
        raise BakeoffError(f"several folders have images of these names, {names}; {choose}")
    if found:
        return found[0]
    for column in zip(*sample, strict=True):
        for prefix in _common_prefixes(column):
            shorter = ImageFinder(finder.folder, prefix)
            if files := _named_files(shorter, sample):
                return shorter, files
    return finder, {}


def _named_files(finder: ImageFinder, sample: Sequence[Sequence[str]]) -> dict[int, list[str]]:
    columns = {
        position: [finder.find(cell)[0] for cell in column]
        for position, column in enumerate(zip(*sample, strict=True))
    }
    return {position: files for position, files in columns.items() if 2 * sum(map(bool, files)) >= len(files)}


def _common_prefixes(paths: Sequence[str]) -> Iterator[str]:
    """The folders in which all paths begin, the shortest first, such as "/", "/home/" and "/home/anna/"."""
    common = os.path.commonprefix([path.replace("\\", "/") for path in paths])  # noqa: RUF071 - up to a slash
    for position, character in enumerate(common[:MAX_PREFIX]):
        if character == "/":
            yield common[: position + 1]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no folder can have
        return False


def _folders(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.iterdir() if entry.is_dir()]
    except PermissionError:
        raise
    except (OSError, ValueError):
        return []


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link in a circle
        return False


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _short(path: str) -> str:
    return shorten(path, 300)
