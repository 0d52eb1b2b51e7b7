"""The source `folder:DIR`: one folder of images per class."""

from __future__ import annotations

import os
from pathlib import Path

from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.data.sources.listing import ListedImage, Listing, natural_key, read_class_names
from bakeoff.errors import BakeoffError
from bakeoff.text import counted, listed, shorten

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"}
    | {".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)


def list_class_folders(directory: Path) -> Listing:
    """List the images of `train/CLASS/*` (and of `val/` and `test/` if they exist), or of `CLASS/*` alone.

    Classes are in natural order of their names, or in the order of `class_names.txt` if `directory` has one.
    Images may be in subfolders of a class's folder. Hidden files are ignored; so are files without an image
    extension, which are counted in a note.

    Raises
    ------
    BakeoffError
        If there are no class folders, one holds no image, `class_names.txt` disagrees with the folders, or
        val or test has a class that train lacks.
    """
    roots: dict[SplitName, Path] = {
        name: directory / name for name in SPLIT_NAMES if (directory / name).is_dir()
    }
    if "train" not in roots:
        if roots:
            raise BakeoffError(
                f"{directory} has a folder {listed([*roots])} but no train; expected train/CLASS/*, "
                "with optional val/ and test/, or CLASS/* alone"
            )
        roots = {"train": directory}
    class_names = _class_names(directory, roots["train"])
    splits: dict[SplitName, list[ListedImage]] = {}
    num_ignored = 0
    for split, root in roots.items():
        unknown = sorted(set(_folders(root)) - set(class_names))
        if unknown:
            raise BakeoffError(
                f"{root} has the class {unknown[0]!r}, which train lacks; "
                f"add training images of it, or remove {root / unknown[0]}"
            )
        splits[split] = []
        for label, name in enumerate(class_names):
            paths, num_others = _image_files(root / name)
            num_ignored += num_others
            if not paths and split == "train":
                raise BakeoffError(
                    f"no image in {root / name}; add images to this class, or remove its folder"
                )
            parent = (root / name).relative_to(directory).as_posix()
            ids = [f"{parent}/{path}" for path in sorted(paths, key=natural_key)]
            splits[split] += [ListedImage(image_id, label, directory / image_id) for image_id in ids]
    return Listing(splits, class_names, _notes(directory, roots, num_ignored))


def _class_names(directory: Path, train: Path) -> tuple[str, ...]:
    folders = _folders(train)
    if not folders:
        raise BakeoffError(
            f"no folders of images in {train}; expected one folder per class, as in {train}/CLASS/*.png"
        )
    names_file = directory / "class_names.txt"
    if not names_file.is_file():
        return tuple(folders)
    class_names = read_class_names(names_file)
    for name in class_names:
        if name not in folders:
            raise BakeoffError(
                f"{names_file} names the class {name!r}, but there is no folder {train / name}"
            )
    for name in folders:
        if name not in class_names:
            raise BakeoffError(
                f"{names_file} lacks the class {name!r} of the folder {train / name}; add a line"
            )
    return class_names


def _folders(root: Path) -> list[str]:
    names = [entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    return sorted(names, key=natural_key)


def _image_files(folder: Path) -> tuple[list[str], int]:
    """The paths of image files below `folder`, relative to it with `/`, unordered; the number of others.

    As strings: a `Path` of each costs more than reading a small image.
    """
    paths: list[str] = []
    num_others = 0
    for root, folders, names in os.walk(folder, onerror=_refuse_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        parent = Path(root).relative_to(folder).as_posix()
        prefix = "" if parent == "." else f"{parent}/"
        for name in names:
            if name.startswith("."):
                continue
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122
                paths.append(prefix + name)
            else:
                num_others += 1
    return paths, num_others


def _refuse_unreadable(error: OSError) -> None:
    """Raise an error instead of skipping a folder, whose images would be missing unnoticed."""
    if not isinstance(error, FileNotFoundError):  # val and test may lack a class
        folder = shorten(str(error.filename))
        raise BakeoffError(f"cannot read the folder {folder}: {error.strerror}; make it readable") from error


def _notes(directory: Path, roots: dict[SplitName, Path], num_ignored: int) -> tuple[str, ...]:
    notes = []
    if num_ignored:
        files_ignored = counted(num_ignored, "file")
        notes.append(f"Ignored {files_ignored} without an image extension in the class folders.")
    if roots["train"] == directory:
        num_loose = sum(
            entry.is_file() and entry.suffix.lower() in IMAGE_SUFFIXES for entry in directory.iterdir()
        )
        if num_loose:
            notes.append(f"Ignored {counted(num_loose, 'image')} outside of the class folders.")
    else:
        others = [name for name in _folders(directory) if name not in roots]
        if others:
            notes.append(f"Ignored the folders beside the splits: {', '.join(others)}.")
    return tuple(notes)
