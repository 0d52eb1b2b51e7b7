"""Engines: who does the runs of a study."""

from bakeoff.engines.processes import run_in_processes
from bakeoff.engines.tasks import EpochDone, Event, Job, RunFailed, RunFinished, RunRetried, RunStarted, Task

__all__ = [
    "EpochDone",
    "Event",
    "Job",
    "RunFailed",
    "RunFinished",
    "RunRetried",
    "RunStarted",
    "Task",
    "run_in_processes",
]
