"""audit_source(): the audit of a source's images and of its files."""

from __future__ import annotations

from pathlib import Path

from bakeoff.audit.auditing import audit
from bakeoff.audit.findings import Audit
from bakeoff.audit.split_files import check_split_files
from bakeoff.data.image_data import ImageData
from bakeoff.study import DataSettings


def audit_source(settings: DataSettings, data: ImageData) -> Audit:
    """Audit the images that `load_data(settings)` gave, and for `splits:DIR` the split files too."""
    kind, _, directory = settings.source.partition(":")
    if kind != "splits":
        return audit(data)
    findings = check_split_files(
        Path(directory).expanduser(), first_line_is_header=settings.first_line_is_header
    )
    return audit(data, other_findings=findings)
