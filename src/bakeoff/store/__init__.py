"""The study folder: the only room that knows its file names."""

from bakeoff.files import open_atomically, write_atomically, write_text
from bakeoff.store.identity import run_identity
from bakeoff.store.layout import FORMAT_VERSION, Layout
from bakeoff.store.locking import lock_folder
from bakeoff.store.reading import (
    FailedRun,
    StoredRun,
    StoredStudy,
    failure_reason,
    load_study_folder,
    run_state,
    stored_audit,
)
from bakeoff.store.stale import remove_stale
from bakeoff.store.status import RunStatus, count_unfinished, study_status
from bakeoff.store.unfinished import UnfinishedRun
from bakeoff.store.weights import StoredWeights, read_weights
from bakeoff.store.writing import (
    check_folder,
    check_still_there,
    prepare_folder,
    remove_leftovers,
    save_audit,
    save_failure,
    save_run,
)

__all__ = [
    "FORMAT_VERSION",
    "FailedRun",
    "Layout",
    "RunStatus",
    "StoredRun",
    "StoredStudy",
    "StoredWeights",
    "UnfinishedRun",
    "check_folder",
    "check_still_there",
    "count_unfinished",
    "failure_reason",
    "load_study_folder",
    "lock_folder",
    "open_atomically",
    "prepare_folder",
    "read_weights",
    "remove_leftovers",
    "remove_stale",
    "run_identity",
    "run_state",
    "save_audit",
    "save_failure",
    "save_run",
    "stored_audit",
    "study_status",
    "write_atomically",
    "write_text",
]
