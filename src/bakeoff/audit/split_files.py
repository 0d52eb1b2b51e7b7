"""check_split_files(): header lines in split files, and images lost by reading the first line as one."""

from __future__ import annotations

from pathlib import Path

from bakeoff.audit.findings import Finding
from bakeoff.data.image_data import SPLIT_NAMES
from bakeoff.data.sources.listing import read_lines
from bakeoff.data.sources.split_files import read_split_file

HEADER_WORDS = frozenset(("class", "classes", "class_name", "class_names", "label", "labels", "name"))


def check_split_files(directory: Path, *, first_line_is_header: bool = False) -> tuple[Finding, ...]:
    """Check the first lines of the text files of a `splits:DIR` source.

    Decodes no image, so it works even where `load_data` refuses the source.

    Parameters
    ----------
    directory
        Contains `splits/*.txt` and perhaps `class_names.txt`.
    first_line_is_header
        As in the study's [data] table: whether the first lines are dropped.

    Raises
    ------
    BakeoffError
        If a file cannot be read as text, or has only empty lines.
    """
    findings: list[Finding] = []
    without_header: list[tuple[str, int, str]] = []  # file, number of lines, first line's path
    for name in SPLIT_NAMES:
        file = directory / "splits" / f"{name}.txt"
        lines = read_lines(file) if file.is_file() else []
        if not lines:
            continue
        split = read_split_file(directory, file)
        if split.header is None:
            without_header.append((file.name, len(lines), split.rows[0].path if split.rows else lines[0]))
        elif not first_line_is_header:
            findings.append(
                Finding(
                    "warning",
                    f"header-{name}",
                    1,
                    f"The first line of {file.name} looks like a header: {split.header!r}.",
                    "Remove it, or set data.first_line_is_header = true if every split file has one.",
                )
            )
    names_file = directory / "class_names.txt"
    first_name = (read_lines(names_file) or [""])[0] if names_file.is_file() else ""
    if first_name.strip().lower() in HEADER_WORDS:
        findings.append(
            Finding(
                "warning",
                "header-class-names",
                1,
                f"The first line of {names_file.name} looks like a header: {first_name!r}.",
                "Remove it: it is read as class 0, and shifts every other class by one.",
            )
        )
    if without_header:
        findings.append(
            _images_dropped(without_header) if first_line_is_header else _no_header(without_header)
        )
    return tuple(findings)


def _images_dropped(files: list[tuple[str, int, str]]) -> Finding:
    losses = ", ".join(f"{path} of {file}" for file, _, path in files)
    return Finding(
        "warning",
        "first-images-dropped",
        len(files),
        f"data.first_line_is_header drops an image, not a header, from each split file: {losses}.",
        "Set it to false, unless you repeat a study that dropped them.",
    )


def _no_header(files: list[tuple[str, int, str]]) -> Finding:
    losses = ", ".join(f"{file} {count - 1:,} of {count:,} images" for file, count, _ in files)
    return Finding(
        "note",
        "no-header",
        len(files),
        f"No header line in the split files: a reader that expects one would leave {losses}.",
        "Elsewhere, read them without a header (pandas: header=None).",
    )
