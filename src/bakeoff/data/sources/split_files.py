"""The source `splits:DIR`: text files that list the images of each split, one line `PATH LABEL` per image."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import NamedTuple

from bakeoff.data.image_data import SPLIT_NAMES, SplitName
from bakeoff.data.sources.labels import find_names, read_labels
from bakeoff.data.sources.listing import ListedImage, Listing, read_lines
from bakeoff.data.sources.tables.image_finder import ImageFinder, find_folder
from bakeoff.data.sources.tables.reading import unquoted
from bakeoff.data.sources.walking import IMAGE_SUFFIXES, suffix_of, unlisted_note
from bakeoff.errors import BakeoffError
from bakeoff.text import counted, list_some, shorten

LINE_FORM = "expected PATH LABEL, with one space between"

SAMPLE = 20
"""Number of lines of a file from which their form is found."""


class Form(NamedTuple):
    """How path and label stand in a line.

    Attributes
    ----------
    separator
        Between the two; None for blanks.
    path_first
        Whether the path comes before the label.
    """

    separator: str | None
    path_first: bool

    def split(self, line: str) -> tuple[str, str] | None:
        """Path and label, without quotes around them; None if one of them is missing."""
        if self.separator is None:
            parts = line.rsplit(maxsplit=1) if self.path_first else line.split(maxsplit=1)
        else:
            parts = (line.rsplit if self.path_first else line.split)(self.separator, 1)
        parts = [unquoted(part) for part in parts]
        if len(parts) < 2 or not all(parts):
            return None
        return (parts[0], parts[1]) if self.path_first else (parts[1], parts[0])

    def described(self) -> str:
        names = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar", ":": "a colon"}
        order = "path and label" if self.path_first else "label and path"
        return f"{order}, separated by {names[self.separator]}" if self.separator else order


FORMS = (
    Form(None, True),
    *(
        Form(separator, path_first)
        for separator in ("\t", ",", ";", "|", ":")
        for path_first in (True, False)
    ),
    Form(None, False),
)
"""The first is the usual one; that which finds most of the images is meant."""


class Row(NamedTuple):
    """One line of a split file."""

    location: str  # FILE:LINE
    path: str
    label: str


class SplitFile(NamedTuple):
    """The lines of a split file, as they are meant.

    Attributes
    ----------
    rows
        Path and label of each line.
    finder
        Finds the images.
    header
        The first line, if it names no image but the columns; it is not in `rows`.
    notes
        What had to be found out.
    problems
        Lines that cannot be read.
    """

    rows: list[Row]
    finder: ImageFinder
    header: str | None
    notes: tuple[str, ...]
    problems: list[str]


def list_split_files(
    directory: Path, *, first_line_is_header: bool = False, class_names: tuple[str, ...] | None = None
) -> Listing:
    """List the images that `splits/train.txt`, `splits/val.txt` and `splits/test.txt` name.

    A line is `PATH LABEL`: the path, relative to `directory`, may contain spaces; the label is an integer
    0..K-1 or a class name without spaces. Other forms, such as `LABEL,PATH`, are read where they find the
    images. `class_names.txt`, if it exists, holds the K names in label order; otherwise integer labels are
    their own names and class names are sorted.

    Parameters
    ----------
    directory
        Contains the folder `splits`.
    first_line_is_header
        Drop the first line of each file, whatever it contains.
    class_names
        Those of `data.class_names`, in label order, used if there is no `class_names.txt`.

    Raises
    ------
    BakeoffError
        If a line is malformed, an image is missing or listed twice, a path leads out of `directory`, or a
        label is none of the classes; names file and line.
    """
    files: dict[SplitName, Path] = {name: directory / "splits" / f"{name}.txt" for name in SPLIT_NAMES}
    if not files["train"].is_file():
        hint = f"; did you mean splits:{directory.parent}?" if (directory / "train.txt").is_file() else ""
        raise BakeoffError(
            f"no file {files['train']}; expected splits/train.txt, "
            f"with a line PATH LABEL for each image{hint}",
            "data",
        )
    read = {
        name: read_split_file(directory, file, first_line_is_header=first_line_is_header)
        for name, file in files.items()
        if file.is_file()
    }
    problems = [problem for split in read.values() for problem in split.problems]
    rows = _find_images(directory, read, problems)
    _refuse(problems)
    all_rows = [row for split in rows.values() for row in split]
    labels = read_labels(
        [row.label for row in all_rows],
        lambda index: all_rows[index].location,
        *find_names(directory, class_names),
    )
    label_of = iter(labels.indices)
    splits: dict[SplitName, list[ListedImage]] = {
        name: [ListedImage(row.path, next(label_of), str(directory / row.path)) for row in split]
        for name, split in rows.items()
    }
    notes = (
        ("The first line of each split file was dropped as a header (data.first_line_is_header).",)
        if first_line_is_header
        else ()
    )
    found = dict.fromkeys(note for split in read.values() for note in split.notes)
    unlisted = unlisted_note(directory / row.path for row in all_rows)
    return Listing(splits, labels.class_names, (*notes, *found, *unlisted, *labels.notes))


def read_split_file(directory: Path, file: Path, *, first_line_is_header: bool = False) -> SplitFile:
    """Read a split file; for the parameters, see `list_split_files`.

    Its lines may have another form than PATH LABEL, if that finds the images; empty lines and comments are
    passed over.

    Raises
    ------
    BakeoffError
        If it cannot be read as text, or lists no image.
    """
    lines = [(number, line.strip()) for number, line in enumerate(read_lines(file), start=1) if line.strip()]
    lines = lines[1:] if first_line_is_header else lines
    if not lines:
        raise BakeoffError(
            f"{file} lists no image; add lines PATH LABEL, or remove it if it is not train.txt"
        )
    form, finder = _find_form(directory, file, [line for _, line in lines])
    notes = []
    if form != FORMS[0]:
        notes.append(f"The lines of {file.name} were read as {form.described()}.")
    if finder.folder != directory:
        notes.append(f"The images of {file.name} are in the folder {finder.folder.name!r}.")
    if finder.prefix:
        notes.append(f"The beginning of the paths, {shorten(finder.prefix)}, was left out.")
    images = [(number, line) for number, line in lines if not _is_comment(line, form, finder)]
    if num_comments := len(lines) - len(images):
        notes.append(f"Passed over {counted(num_comments, 'comment')} (#) in {file.name}.")
    header = None
    if not first_line_is_header and _has_header([line for _, line in images], form, finder):
        header = images.pop(0)[1]
        notes.append(f"The first line of {file.name}, {shorten(header)}, was read as a header.")
    rows, problems = [], []
    for number, line in images:
        if (parts := form.split(line)) is not None:
            rows.append(Row(f"{file}:{number}", *parts))
        else:
            problems.append(f"{file}:{number}: {shorten(line)}; {LINE_FORM}{_hint(line, file)}")
    return SplitFile(rows, finder, header, tuple(notes), problems)


def _hint(text: str, file: Path) -> str:
    return f"; if the file is a table, use csv:{file}" if any(sign in text for sign in ",;\t") else ""


def _find_form(directory: Path, file: Path, lines: list[str]) -> tuple[Form, ImageFinder]:
    """The form of the lines, and the folder that their paths begin in."""
    sample = [
        [parts[0] if (parts := form.split(line)) else "" for form in FORMS]
        for line in lines[:: max(1, len(lines) // SAMPLE)][:SAMPLE]
    ]
    try:
        finder, files = find_folder(
            ImageFinder(directory), sample, choose=f"write paths relative to {directory}"
        )
    except BakeoffError as error:
        raise BakeoffError(f"{file}: {error}") from error
    # A label may also be the name of a file without its extension.
    whole = {
        form: sum(
            suffix_of(row[form]) == suffix_of(name) != "" for row, name in zip(sample, names, strict=True)
        )
        for form, names in files.items()
    }
    best = max(files, key=lambda form: (whole[form], sum(map(bool, files[form])), -form), default=0)
    return FORMS[best], finder


def _is_comment(line: str, form: Form, finder: ImageFinder) -> bool:
    parts = form.split(line)
    return line.startswith("#") and not (parts and finder.find(parts[0])[0])


def _has_header(lines: list[str], form: Form, finder: ImageFinder) -> bool:
    """Whether the first line names no image, and no other line has its label."""
    first, *others = [form.split(line) for line in lines] or [None]
    if first is None:
        return bool(others) and not _is_like_a_path(lines[0])
    path, label = first
    return (
        bool(others)
        and not (finder.find(path)[0] or _is_like_a_path(path) or label.isdecimal())
        and all(parts is None or parts[1] != label for parts in others)
    )


def _is_like_a_path(text: str) -> bool:
    return "/" in text or "\\" in text or suffix_of(text) in IMAGE_SUFFIXES


def _find_images(
    directory: Path, read: dict[SplitName, SplitFile], problems: list[str]
) -> dict[SplitName, list[Row]]:
    """The rows with the paths, relative to `directory`, of the files that are meant, each listed once."""
    first_seen: dict[str, str] = {}
    found: dict[SplitName, list[Row]] = {}
    for name, split in read.items():
        found[name] = []
        folder = split.finder.folder.relative_to(directory).as_posix()
        for row in split.rows:
            path, problem = split.finder.find(row.path)
            path = posixpath.normpath(posixpath.join(folder, path))
            if not problem and path in first_seen:
                problem = f"{shorten(path)} is already listed in {first_seen[path]}; list it once"
            if problem:
                file = Path(row.location.rpartition(":")[0])
                problems.append(f"{row.location}: {problem}{_hint(row.path, file)}")
            else:
                first_seen[path] = row.location
                found[name].append(Row(row.location, path, row.label))
    return found


def _refuse(problems: list[str]) -> None:
    if len(problems) == 1:
        raise BakeoffError(problems[0])
    if problems:
        raise BakeoffError(
            f"{len(problems)} problems in the split files; correct them:\n{list_some(problems)}"
        )
