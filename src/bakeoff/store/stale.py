"""What an earlier report wrote and the present one does not: of recipes that left the study."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from bakeoff.errors import BakeoffError
from bakeoff.files import write_text
from bakeoff.store.layout import Layout

REPORT_FILE = re.compile(r"comparison\.json|figures/[\w.-]+\.(svg|png)|tables/[\w.-]+\.csv")
"""The list may come from a stranger: nothing else is ever deleted for it."""


def remove_stale(layout: Layout, written: Sequence[Path]) -> None:
    """Remove the files of an earlier report that are not among `written`, and note these for the next time.

    What Bakeoff did not write stays.

    Raises
    ------
    BakeoffError
        If a file cannot be removed, or the list not be written.
    """
    names = sorted(path.relative_to(layout.report).as_posix() for path in written)
    for name in sorted(_noted(layout) - set(names)):
        path = layout.report / name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise BakeoffError(
                f"cannot remove {path}, of an earlier report: {error.strerror or error}; delete it yourself"
            ) from error
    write_text(layout.report_files, json.dumps(names, indent=0) + "\n")


def _noted(layout: Layout) -> set[str]:
    try:
        names = json.loads(layout.report_files.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    if not isinstance(names, list):
        return set()
    return {name for name in names if isinstance(name, str) and REPORT_FILE.fullmatch(name)}
