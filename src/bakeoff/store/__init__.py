"""The study folder. No other part of Bakeoff knows the names of its files."""

from bakeoff.store.checks import StoredCost
from bakeoff.store.cost_file import load_costs, save_costs
from bakeoff.store.folder import (
    check_still_there,
    keep_chosen,
    lock_folder,
    prepare_folder,
    refuse_in_use,
    refuse_links,
    remove_leftovers,
    save_audit,
)
from bakeoff.store.layout import FORMAT_VERSION, Layout, run_identity
from bakeoff.store.other_images import StoredTest
from bakeoff.store.report_folder import replace_report
from bakeoff.store.run_files import FailedRun, StoredRun, failure_reason, run_state, save_failure, save_run
from bakeoff.store.status import RunStatus, count_unfinished, study_status
from bakeoff.store.stored_study import StoredStudy, load_study_folder, read_study, stored_audit
from bakeoff.store.trial_files import (
    SizedRun,
    StoredTrial,
    load_sized_runs,
    load_trials,
    remove_trial,
    save_sized_run,
    save_trial,
)
from bakeoff.store.unfinished import UnfinishedRun
from bakeoff.store.verify import Verification, check_runs, check_study_files, verify_study
from bakeoff.store.weights import StoredWeights, read_weights

__all__ = [
    "FORMAT_VERSION",
    "FailedRun",
    "Layout",
    "RunStatus",
    "SizedRun",
    "StoredCost",
    "StoredRun",
    "StoredStudy",
    "StoredTest",
    "StoredTrial",
    "StoredWeights",
    "UnfinishedRun",
    "Verification",
    "check_runs",
    "check_still_there",
    "check_study_files",
    "count_unfinished",
    "failure_reason",
    "keep_chosen",
    "load_costs",
    "load_sized_runs",
    "load_study_folder",
    "load_trials",
    "lock_folder",
    "prepare_folder",
    "read_study",
    "read_weights",
    "refuse_in_use",
    "refuse_links",
    "remove_leftovers",
    "remove_trial",
    "replace_report",
    "run_identity",
    "run_state",
    "save_audit",
    "save_costs",
    "save_failure",
    "save_run",
    "save_sized_run",
    "save_trial",
    "stored_audit",
    "study_status",
    "verify_study",
]
