"""The report: a study's results as one self-contained page, with figures, tables and numbers as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakeoff.analysis.summary.study import Summary

__all__ = ["build_report"]


def build_report(study: Path | Summary) -> Path:
    """Write the report of a study folder, or of a summary of one; returns the page's path.

    See `bakeoff.report.build.build_report`; this imports matplotlib only when it is called.
    """
    from bakeoff.report import build

    return build.build_report(study)
