"""The report's folder, which is replaced as a whole: an interruption leaves the report before it."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock

from bakeoff.files import cannot_write, final_name, read_json
from bakeoff.locks import lock_at
from bakeoff.store.folder import refuse_links
from bakeoff.store.layout import OWN_FILE, Layout
from bakeoff.store.manifest import digest_of, manifest_text


def replace_report(layout: Layout, files: Mapping[Path, bytes]) -> None:
    """Replace the report by these files, completely or not at all; files that Bakeoff did not write stay.

    The new report is built beside the old one, and takes its place by renaming. Of the old one, only what
    its files.json lists is left out.

    Parameters
    ----------
    layout
        Of the study folder.
    files
        Content by path.

    Raises
    ------
    BakeoffError
        If the folder contains links that lead elsewhere, or the disk is full or cannot be written.
    """
    refuse_links(layout.root)
    contents = {path.relative_to(layout.report).as_posix(): content for path, content in files.items()}
    digests = {name: digest_of(io.BytesIO(content)) for name, content in contents.items()}
    contents[layout.report_files.name] = manifest_text(digests).encode()
    path = layout.report
    try:
        with _lock(layout):
            _tidy(layout)
            try:
                _carry_over(layout, {*contents, *_recorded_files(layout)})
                for name, content in contents.items():
                    path = layout.report / name
                    _write(layout.new_report / name, content)
                path = layout.report
                if path.exists():
                    path.rename(layout.old_report)
                layout.new_report.rename(path)
            finally:
                _tidy(layout)
    except OSError as error:
        raise cannot_write(path, error) from error


def restore_report(layout: Layout) -> None:
    """Put the old report back if a process was killed when it had been renamed and the new one had not."""
    if layout.old_report.exists() and not layout.report.exists():
        with suppress(OSError), _lock(layout):  # nothing can be done on a disk that cannot be written
            _tidy(layout)


def _lock(layout: Layout) -> BaseFileLock:
    """Not the lock of the study: a report can be made while runs train."""
    return lock_at(layout.root / ".lock-report")


def _tidy(layout: Layout) -> None:
    if layout.old_report.exists() and not layout.report.exists():
        layout.old_report.rename(layout.report)
    for folder in (layout.old_report, layout.new_report):
        shutil.rmtree(folder, ignore_errors=True)


def _carry_over(layout: Layout, replaced: set[str]) -> None:
    """Begin the new report with the files of the old one that Bakeoff did not write."""

    def left_out(folder: str, names: list[str]) -> list[str]:
        paths = {name: Path(folder, name) for name in names}
        return [
            name
            for name, path in paths.items()
            if path.relative_to(layout.report).as_posix() in replaced
            or (final_name(name) != name and layout.is_own(path))
        ]

    if layout.report.exists():
        shutil.copytree(
            layout.report, layout.new_report, symlinks=True, ignore=left_out, copy_function=_link_or_copy
        )


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:  # never into a file of the old report, of which this may be a link
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _recorded_files(layout: Layout) -> set[str]:
    """The files of the earlier report, by their paths in it.

    The list is read from the folder and may be malicious: only names that Bakeoff gives are believed.
    """
    try:
        names = read_json(layout.report_files)
    except (OSError, ValueError):
        return set()
    if not isinstance(names, (dict, list)):  # older versions wrote a list
        return set()
    return {name for name in names if isinstance(name, str) and OWN_FILE.fullmatch(f"report/{name}")}
