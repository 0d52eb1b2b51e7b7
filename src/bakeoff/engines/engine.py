"""The interface of engines: their tasks, and the events that they report."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bakeoff.study import Study

if TYPE_CHECKING:
    # The driver starts workers before it imports PyTorch itself.
    from bakeoff.training.records import EpochRecord


@dataclass(frozen=True)
class Task:
    """One run to execute."""

    recipe: str
    seed: int
    identity: str


@dataclass(frozen=True)
class Job:
    """What all runs of a study share; small, because it is sent to each worker.

    Attributes
    ----------
    study
        The resolved study.
    data_directory
        The memory-mapped images, for `bakeoff.data.open_image_data`.
    root
        The study folder.
    """

    study: Study
    data_directory: Path
    root: Path


@dataclass(frozen=True)
class RunStarted:
    """A worker started a run."""

    task: Task


@dataclass(frozen=True)
class EpochDone:
    """A run finished an epoch."""

    task: Task
    record: EpochRecord


@dataclass(frozen=True)
class RunFinished:
    """A run is complete and on disk."""

    task: Task


@dataclass(frozen=True)
class RunRetried:
    """A run's worker died; another worker resumes the run from its last saved state."""

    task: Task
    reason: str


@dataclass(frozen=True)
class RunFailed:
    """A run ended without a result; the other runs continue.

    Attributes
    ----------
    try_again
        Whether to try it again when the study is run again; false if it would fail in the same way.
    """

    task: Task
    reason: str
    try_again: bool


@dataclass(frozen=True)
class RunsNotStacked:
    """The runs of a recipe are trained one after another, because they cannot be stacked.

    Attributes
    ----------
    task
        The first of them.
    reason
        Why they cannot be stacked.
    """

    task: Task
    reason: str


Event = RunStarted | EpochDone | RunFinished | RunRetried | RunFailed | RunsNotStacked


class Engine(Protocol):
    """Executes the runs of a study."""

    @property
    def num_workers(self) -> int:
        """The number of runs at the same time."""

    @property
    def device(self) -> str:
        """The device that trains, as recorded in environment.json: "cpu" for worker processes."""

    def do(self, tasks: Sequence[Task], job: Job) -> Generator[Event, None, None]:
        """Execute all tasks, roughly in order, and yield events as they occur.

        Results do not depend on the number of runs at the same time. Closing the generator stops the work
        immediately.
        """
