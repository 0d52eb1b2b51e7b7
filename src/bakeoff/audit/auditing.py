"""audit(): everything that is checked, in one call; audit_source() adds the source's own files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bakeoff.audit.duplicates import MAX_CANDIDATES, SMALLEST_SIDE
from bakeoff.audit.findings import Audit, Finding, Severity, by_severity
from bakeoff.audit.images import find_class_problems, find_odd_sizes, find_uniform_images, uniform_images
from bakeoff.audit.links import Images
from bakeoff.audit.repeats import SUSPICIOUS_SHARE, find_repeats
from bakeoff.audit.split_files import check_split_files
from bakeoff.data.cache import read_original_sizes
from bakeoff.data.image_data import ImageData
from bakeoff.study import DataSettings


def audit(data: ImageData, *, other_findings: Iterable[Finding] = ()) -> Audit:
    """Look for what in a data set would make a comparison lie.

    Repeated images (identical, near duplicates, mirrored) across and within splits and under two labels,
    missing and unequal classes, images without content, odd shapes and sizes. Works on the
    decoded images; reads the original sizes from `data.directory`. Takes a few seconds for 13,000 images.

    Parameters
    ----------
    data
        As `load_data` gives it.
    other_findings
        Found elsewhere, such as by `check_split_files`; sorted in.
    """
    sizes = read_original_sizes(data.directory)
    side = min(data.image_size, *np.median(sizes, axis=0))
    uniform = uniform_images(data)
    images = Images(data, uniform, search_near=side >= SMALLEST_SIDE)
    limits = []
    if side < SMALLEST_SIDE:
        limits.append(
            f"Near duplicates were not looked for: with {side:g} pixels a side, below {SMALLEST_SIDE}, "
            "a copy cannot be told from another image of the same kind. Identical images were."
        )
    if images.num_crowded:
        limits.append(
            f"{images.num_crowded:,} images resemble more than {MAX_CANDIDATES} others at first sight; "
            f"only the {MAX_CANDIDATES} most similar were compared in detail."
        )
    repeats = find_repeats(images)
    share = images.share_with_near_duplicates()
    if share > SUSPICIOUS_SHARE:
        repeats = [_doubted(finding) if _is_near(finding) else finding for finding in repeats]
        limits.append(
            f"{100 * share:.0f} % of the images have a near duplicate: frames of one film, or plain figures "
            "such as digits and glyphs, which this measure cannot tell from copies. Look at the pairs."
        )
    findings = [
        *repeats,
        *find_class_problems(data),
        *find_uniform_images(images, uniform),
        *find_odd_sizes(images, sizes),
        *other_findings,
    ]
    return Audit(data.source, data.fingerprint, len(images), by_severity(findings), tuple(limits))


def _is_near(finding: Finding) -> bool:
    return finding.kind.startswith(("near-", "flipped-"))


def _doubted(finding: Finding) -> Finding:
    """The same finding, no severer than a warning."""
    severity: Severity = "note" if finding.severity == "note" else "warning"
    return dataclasses.replace(finding, severity=severity)


def audit_source(settings: DataSettings, data: ImageData) -> Audit:
    """Audit the images that `load_data(settings)` gave, and for `splits:DIR` the split files too."""
    kind, _, directory = settings.source.partition(":")
    if kind != "splits":
        return audit(data)
    findings = check_split_files(
        Path(directory).expanduser(), first_line_is_header=settings.first_line_is_header
    )
    return audit(data, other_findings=findings)
