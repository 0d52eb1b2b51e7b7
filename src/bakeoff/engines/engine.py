"""The interface of engines: their tasks, and the events that they report."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bakeoff.data.drawing import Groups, images_of_run
from bakeoff.data.image_data import ImageData
from bakeoff.store import Layout
from bakeoff.study import Recipe, Study

if TYPE_CHECKING:
    # The driver starts workers before it imports PyTorch itself.
    from bakeoff.training.records import EpochRecord


@dataclass(frozen=True)
class Task:
    """One run to execute, or one trial.

    Attributes
    ----------
    seed
        Of a trial, its number.
    trial
        Whether it is a trial: it tunes the recipe, and gets no test images.
    size
        The number of training images, if fewer than all.
    """

    recipe: str
    seed: int
    identity: str
    trial: bool = False
    size: int | None = None

    def __str__(self) -> str:
        if self.size is not None:
            return f"{self.recipe}, {self.size} training images, seed {self.seed}"
        return f"{self.recipe}, {'trial' if self.trial else 'seed'} {self.seed}"

    def recipe_in(self, study: Study) -> Recipe:
        """The recipe that is trained."""
        return study.trial_recipe(self.recipe, self.seed) if self.trial else study.recipes[self.recipe]

    def seed_in(self, study: Study) -> int:
        """The seed of all random numbers."""
        return study.trial_seed(self.recipe, self.seed) if self.trial else self.seed

    def draws_images(self, study: Study) -> bool:
        """Whether it trains on other images than other seeds; a trial does not, so that trials compare."""
        return not self.trial and (self.size is not None or self.recipe_in(study).draws_split)

    def images(self, study: Study, data: ImageData, groups: Groups | None) -> ImageData:
        """The images that it trains on, and those that it is validated and tested on."""
        if not self.draws_images(study):
            return data
        own_split = self.recipe_in(study).draws_split
        return images_of_run(data, self.seed, own_split=own_split, size=self.size, groups=groups)

    def layout(self, root: Path) -> Layout:
        """Where its files are."""
        return Layout(root, of_trials=self.trial, size=self.size)


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
    groups
        Of the training and validation images, if a run draws its own and they have any.
    own_code
        For each class of the user's own, by its import path, the digest of its files when the study began.
    """

    study: Study
    data_directory: Path
    root: Path
    groups: Groups | None = None
    own_code: Mapping[str, str] = field(default_factory=dict)


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
