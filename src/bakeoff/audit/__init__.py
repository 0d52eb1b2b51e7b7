"""The audit of a data set: problems in it that would make a comparison misleading."""

from bakeoff.audit.auditing import audit
from bakeoff.audit.duplicates import MAX_DISTANCE, SMALLEST_SIDE
from bakeoff.audit.findings import Audit, Finding, ImageName, Pair, Relation, Severity
from bakeoff.audit.loading import load_grouped
from bakeoff.audit.split_files import check_split_files

__all__ = [
    "MAX_DISTANCE",
    "SMALLEST_SIDE",
    "Audit",
    "Finding",
    "ImageName",
    "Pair",
    "Relation",
    "Severity",
    "audit",
    "check_split_files",
    "load_grouped",
]
