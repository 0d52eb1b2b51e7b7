"""Engines: what executes the runs of a study."""

from bakeoff.engines.choosing import open_engine
from bakeoff.engines.engine import (
    Engine,
    EpochDone,
    Event,
    Job,
    RunFailed,
    RunFinished,
    RunRetried,
    RunsNotStacked,
    RunStarted,
    Task,
)
from bakeoff.engines.processes import ProcessEngine

__all__ = [
    "Engine",
    "EpochDone",
    "Event",
    "Job",
    "ProcessEngine",
    "RunFailed",
    "RunFinished",
    "RunRetried",
    "RunStarted",
    "RunsNotStacked",
    "Task",
    "open_engine",
]
