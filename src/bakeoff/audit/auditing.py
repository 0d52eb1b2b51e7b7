"""audit(): all checks of the images in one call; audit_source() also checks the source's split files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bakeoff.audit.candidates import MAX_CANDIDATES
from bakeoff.audit.duplicates import SMALLEST_SIDE
from bakeoff.audit.findings import CROWDED, ONLY_IDENTICAL, Audit, Finding, by_severity
from bakeoff.audit.groups import find_shared_groups, propose_groups
from bakeoff.audit.images import (
    find_class_problems,
    find_dark_images,
    find_odd_sizes,
    find_uniform_images,
    uniform_images,
)
from bakeoff.audit.links import Images
from bakeoff.audit.repeats import find_repeats
from bakeoff.audit.split_files import check_split_files
from bakeoff.data.cache_entry import read_original_sizes
from bakeoff.data.image_data import ImageData
from bakeoff.study import DataSettings
from bakeoff.text import counted


def audit(data: ImageData, *, other_findings: Iterable[Finding] = (), images: Images | None = None) -> Audit:
    """Check a data set for problems that would make a comparison misleading.

    Checks for repeated images (identical, near duplicates, mirrored) between and within splits and under two
    labels, missing and imbalanced classes, images without content, unusual shapes and sizes. Works on the
    decoded images; reads the original sizes from `data.directory`. Takes a few seconds for 13,000 images.

    Parameters
    ----------
    data
        As returned by `load_data`.
    other_findings
        Findings of other checks, such as `check_split_files`, to include.
    images
        As returned by `linked_images(data)`; by default searched for here.
    """
    sizes = read_original_sizes(data.directory)
    side = _side(data)
    images = images or linked_images(data)
    limits = []
    if side < SMALLEST_SIDE:
        limits.append(
            f"{ONLY_IDENTICAL}, not near duplicates: with {side:g} pixels per side, "
            f"below {SMALLEST_SIDE}, a copy cannot be distinguished from another image of the same class."
        )
    if images.num_crowded:
        limits.append(
            f"Near duplicates may be missing: for {counted(images.num_crowded, 'image')}, more than "
            f"{MAX_CANDIDATES} {CROWDED}; only the {MAX_CANDIDATES} most similar were compared in detail."
        )
    if images.is_doubtful:
        limits.append(
            f"{100 * images.share_with_near_duplicates():.0f} % of the images look like another one: "
            "they may be frames of one video, or simple shapes such as digits and glyphs, which this measure "
            "cannot distinguish from copies. Look at the pairs."
        )
    findings = [
        *find_repeats(images),
        *find_shared_groups(images),
        *propose_groups(images),
        *find_class_problems(data),
        *find_uniform_images(images, images.uniform),
        *find_dark_images(images),
        *find_odd_sizes(images, sizes),
        *other_findings,
    ]
    return Audit(data.source, data.fingerprint, len(images), by_severity(findings), tuple(limits))


def linked_images(data: ImageData) -> Images:
    """The images of all splits, and which are identical or, if they are large enough, near duplicates."""
    return Images(data, uniform_images(data), search_near=_side(data) >= SMALLEST_SIDE)


def _side(data: ImageData) -> float:
    """The size of most images, as far as it was kept."""
    return float(min(data.image_size, *np.median(read_original_sizes(data.directory), axis=0)))


def audit_source(settings: DataSettings, data: ImageData, images: Images | None = None) -> Audit:
    """Audit the images that `load_data(settings)` returned, and for `splits:DIR` also the split files."""
    kind, _, directory = settings.source.partition(":")
    if kind != "splits":
        return audit(data, images=images)
    findings = check_split_files(
        Path(directory).expanduser(), first_line_is_header=settings.first_line_is_header
    )
    return audit(data, other_findings=findings, images=images)
