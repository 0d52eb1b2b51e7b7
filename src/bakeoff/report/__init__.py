"""The report: a study's results as one self-contained page, with figures, tables and numbers beside it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["build_report"]


def build_report(study_dir: Path) -> Path:
    """Analyse the stored results in a study folder and write its report; returns the page's path.

    See `bakeoff.report.build.build_report`, which this calls without importing matplotlib before.
    """
    from bakeoff.report import build

    return build.build_report(study_dir)
