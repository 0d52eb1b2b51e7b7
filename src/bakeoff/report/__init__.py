"""The report: a study's results as one self-contained page, with figures, tables and numbers beside it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

__all__ = ["build_report", "load"]


HEAVY = (
    "bakeoff.report.build",
    "cleanlab.filter",
    "cleanlab.rank",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
)
"""What making a report imports, in 1.5 s."""


def load() -> None:
    """Import what `build_report` needs: for a moment when a core is idle."""
    for name in HEAVY:
        import_module(name)


def build_report(study_dir: Path) -> Path:
    """Analyse the stored results in a study folder and write its report; returns the page's path.

    See `bakeoff.report.build.build_report`, which this calls without importing matplotlib before.
    """
    from bakeoff.report import build as building

    return building.build_report(study_dir)
