"""What an engine is, what it is given, and what it tells while it works."""

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
    """One run to do."""

    recipe: str
    seed: int
    identity: str


@dataclass(frozen=True)
class Job:
    """What all runs of a study share; small, for it travels to each worker.

    Attributes
    ----------
    study
        Resolved.
    data_directory
        Memory-mapped images, for `bakeoff.data.open_image_data`.
    root
        The study folder.
    """

    study: Study
    data_directory: Path
    root: Path


@dataclass(frozen=True)
class RunStarted:
    """A worker began a run."""

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
    """A run's worker died; the run goes on from its last state on another one."""

    task: Task
    reason: str


@dataclass(frozen=True)
class RunFailed:
    """A run ended without a result; the others go on.

    Attributes
    ----------
    try_again
        Whether the next `bakeoff run` should try it: not where the same settings must fail the same way.
    """

    task: Task
    reason: str
    try_again: bool


@dataclass(frozen=True)
class RunsNotStacked:
    """The runs of a recipe go one after another, though the engine would train them at once.

    Attributes
    ----------
    task
        The first of them.
    """

    task: Task
    reason: str


Event = RunStarted | EpochDone | RunFinished | RunRetried | RunFailed | RunsNotStacked


class Engine(Protocol):
    """Who does the runs of a study."""

    @property
    def num_workers(self) -> int:
        """Runs that go on at once."""

    @property
    def device(self) -> str:
        """What computes, as environment.json names it: "cpu" for worker processes."""

    def do(self, tasks: Sequence[Task], job: Job) -> Generator[Event, None, None]:
        """Do all tasks, the first in order first and the last ones as suits; give each event as it comes.

        Results do not depend on how many runs go on at once. Closing the generator stops the work at once.
        """
