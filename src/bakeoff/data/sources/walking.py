"""Walk: the image files below folders, and the number of everything else that is there."""

from __future__ import annotations

import os
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from bakeoff.data.sources.listing import natural_key
from bakeoff.errors import BakeoffError
from bakeoff.text import counted, listed, shorten

IMAGE_SUFFIXES = frozenset(
    {".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".jpx"}
    | {".pbm", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)

SYSTEM_NAMES = frozenset(
    {"$recycle.bin", "@__thumb", "@eadir", "@recently-snapshot", "@recycle", "@tmp", "#recycle", "#snapshot"}
    | {"__macosx", "__pycache__", "~snapshot"}
    | {"desktop.ini", "ehthumbs.db", "icon\r", "lost+found", "system volume information", "thumbs.db"}
)
"""Names, in small letters, of what systems put into folders, beside those that begin with a dot."""

Identity = tuple[int, int]
"""Device and number of a folder, the same whatever link leads to it."""

NUM_NAMED = 5
"""A note names this many kinds or names."""


def is_system(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or was made by a system and not by its user."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def suffix_of(name: str) -> str:
    """The extension of a file in small letters, such as ".png"; "" if there is none."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - for speed


class Walk:
    """Finds the images below the folders of a source, and counts what is not read.

    Parameters
    ----------
    directory
        The folder of the source. All other paths are relative to it, with slashes.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._others: Counter[str] = Counter()  # files that are not images, by extension
        self._system: set[str] = set()
        self._links: list[str] = []  # not followed, or leading nowhere

    def subfolders(self, path: str) -> list[str]:
        """The names of the folders in a folder, in natural order."""
        return sorted((entry.name for entry in self._entries(path) if is_folder(entry)), key=natural_key)

    def num_images_in(self, path: str) -> int:
        """The number of images directly in a folder."""
        return sum(_is_image(entry.name) and not is_folder(entry) for entry in self._entries(path))

    def images_below(self, root: str, names: Iterable[str]) -> dict[str, list[str]]:
        """The images below each of these folders in `root`, in natural order.

        Links to folders are followed after all folders have been read, unless they lead to one that is read
        anyway, or to one that contains the source.
        """
        folder = (self.directory / root).resolve()
        visited = {_identity(path) for path in (self.directory, folder, *folder.parents)}
        images: dict[str, list[str]] = {}
        links: list[tuple[str, str]] = []
        for name in names:
            images[name] = []
            links += [(name, link) for link in self._walk(_join(root, name), images[name], visited)]
        for name, link in links:  # which grows
            if _identity(self.directory / link) in visited:
                self._links.append(link)
            else:
                links += [(name, further) for further in self._walk(link, images[name], visited, visited)]
        return {name: sorted(paths, key=natural_key) for name, paths in images.items()}

    def _walk(
        self, folder: str, images: list[str], visited: set[Identity], known: Set[Identity] = frozenset()
    ) -> list[str]:
        """Add the images below a folder, without those in known folders; the links to folders in it."""
        folders, links = [folder], list[str]()
        while folders:
            folder = folders.pop()
            entries = self._entries(folder)
            identity = _identity(self.directory / folder)
            if identity in known:
                continue
            visited.add(identity)
            for entry in entries:
                path = _join(folder, entry.name)
                if is_folder(entry):
                    (links if entry.is_symlink() else folders).append(path)
                elif _is_image(entry.name):
                    images.append(path)
                elif entry.is_symlink() and not (self.directory / path).exists():
                    self._links.append(path)
                else:
                    self._others[suffix_of(entry.name)] += 1
        return sorted(links, key=natural_key)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """What is in a folder, without what systems put there."""
        try:
            with os.scandir(self.directory / folder) as scanned:
                entries = []
                for entry in scanned:
                    if is_system(entry.name):
                        self._system.add(_join(folder, entry.name))
                    else:
                        entries.append(entry)
        except OSError as error:  # its images would be missing unnoticed
            raise BakeoffError(
                f"cannot read the folder {shorten(str(error.filename))}: {error.strerror}; make it readable"
            ) from error
        return entries

    def kinds_not_read(self) -> str:
        """Such as "12 .heic and 1 .txt": the files met so far that are not images; "" if there are none."""
        kinds = [
            f"{number:,} {suffix or 'without extension'}"
            for suffix, number in sorted(self._others.items(), key=lambda kind: (-kind[1], kind[0]))
        ]
        return listed(kinds if len(kinds) <= NUM_NAMED else [*kinds[:NUM_NAMED], "others"]) if kinds else ""

    def notes(self) -> list[str]:
        """Sentences on what was not read."""
        notes = []
        if self._others:
            number = counted(sum(self._others.values()), "file")
            notes.append(f"Ignored {number} of kinds that are not read: {self.kinds_not_read()}.")
        if self._links:
            notes.append(
                f"Passed over {counted(len(self._links), 'link')} that lead to a folder that is read anyway, "
                f"to one around it, or nowhere: {_some(self._links)}"
            )
        if self._system:
            names = sorted({posixpath.basename(path) for path in self._system})
            number = counted(len(self._system), "hidden or system file")
            notes.append(f"Ignored {number} or folder{'s' * (len(self._system) > 1)}: {_some(names)}")
        return notes


def unlisted_note(images: Iterable[Path]) -> tuple[str, ...]:
    """A sentence on the images in the same folders as these, which are those that a file lists."""
    names: dict[str, set[str]] = defaultdict(set)
    for image in images:
        folder, name = os.path.split(image)
        names[folder].add(name)
    number = sum(
        _is_image(name) and not is_system(name) and name not in names[folder]
        for folder in names
        for name in os.listdir(folder)  # noqa: PTH208
    )
    return (f"Ignored {counted(number, 'image')} in the same folders that no line lists.",) if number else ()


def _some(names: Sequence[str]) -> str:
    """The first names, at the end of a sentence."""
    return ", ".join(names[:NUM_NAMED]) + (", ..." if len(names) > NUM_NAMED else ".")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_image(name: str) -> bool:
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES  # `suffix_of` would take three times as long


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one that is there."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; whoever reads it meets the reason
        return False


def _identity(folder: Path) -> Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino
