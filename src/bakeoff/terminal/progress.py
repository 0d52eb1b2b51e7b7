"""The progress of a study: a live table on a terminal, plain lines otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import mean

from rich.console import Console
from rich.live import Live

from bakeoff.analysis.comparison.looks import Looks, describe_last_look
from bakeoff.analysis.comparison.tuning import Tuning, describe_choices
from bakeoff.audit import Audit
from bakeoff.data.image_data import SPLIT_NAMES, ImageData
from bakeoff.engines import (
    EpochDone,
    Event,
    RunFailed,
    RunFinished,
    RunRetried,
    RunsNotStacked,
    Task,
)
from bakeoff.running.run_study import Display, Round
from bakeoff.study import Study
from bakeoff.terminal.audit import print_audit, print_notes
from bakeoff.terminal.lines import print_text
from bakeoff.terminal.round_state import RoundState
from bakeoff.terminal.step import StepBar
from bakeoff.text import counted, duration, listed
from bakeoff.training import EpochRecord
from bakeoff.training.finish import COST_OF_EVALUATION

EPOCHS_BETWEEN_LINES = 5

SECONDS_OF_STEPS, SECONDS_OF_ALL_STEPS = 0.3, 3.0
"""About how long the first steps of a recipe, and of all of them, are timed."""


SECONDS_AT_END = 20.0
"""What follows the last run: the costs of predictions, and the report; 46 s on 2 cores at a load of 11."""


class StudyDisplay(Display):
    """Shows the decoding of images, then one line per recipe. A context manager, which cleans up at the end.

    Parameters
    ----------
    console
        If it is not a terminal, plain lines are printed every 5 epochs.
    tries_steps
        Whether to say before the first run how long all will take, from some steps of each recipe in this
        process: what trains is a CPU like this one's.
    """

    def __init__(self, console: Console, *, tries_steps: bool = False) -> None:
        self.console = console
        self.tries_steps = tries_steps
        self.epoch_seconds: dict[str, float] = {}
        self.live: Live | None = None
        self.bar = StepBar(console)
        self.state: RoundState | None = None
        self._not_captured: list[str] = []

    def __enter__(self) -> StudyDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.remove()
        if self.live is not None:
            self.live.stop()

    def decoding(self, text: str, done: int, total: int) -> None:
        """Show a progress bar while images are read, on a terminal only."""
        self.bar.show(text, done, total)

    def waiting(self, text: str) -> None:
        print_text(f"{text}; waiting", self.console)

    def audited(self, audit: Audit) -> None:
        """Print the result of the data check in a few lines."""
        self.bar.remove()
        print_audit(audit, self.console, short=True)

    def not_captured(self, recipe: str, reason: str) -> None:
        """Say so below the line about the study."""
        self._not_captured.append(
            f"{recipe}: its forward is called as it is, so CPU kernels may not apply: {reason}"
        )

    def begin(self, coming: Round) -> None:
        study, data, tasks, todo, num_workers, later, num_other_images = coming
        self._end_live()
        if self.state is None:
            self._introduce(study, data, todo)
        if len(todo) < len(tasks):
            print_text(
                f"{len(tasks) - len(todo)} of {_described(tasks)} already finished, {len(todo)} to do",
                self.console,
            )
        measured = self._measured()
        self._try_steps(study, data, [*todo, *later] if todo else ())
        self.epoch_seconds |= measured
        sizes = len(data.train), len(data.test)
        self.state = RoundState(study, tasks, todo, num_workers, *sizes, expected=self.epoch_seconds)
        if todo:
            following = RoundState(study, later, later, num_workers, *sizes, expected=self.epoch_seconds)
            self.state.seconds_later = following.study_seconds_left() or 0.0
            source = "the epochs so far" if measured else "the first steps of each recipe"
            self._announce(todo, later, following, num_other_images, source)
        if self.console.is_terminal and todo:
            self.live = Live(
                get_renderable=partial(self.state.render, self.console),
                console=self.console,
                refresh_per_second=4,
                transient=True,
            )
            self.live.start()

    def _try_steps(self, study: Study, data: ImageData, todo: Sequence[Task]) -> None:
        """Find out how long an epoch of each recipe takes, once for each."""
        from bakeoff.training.first_steps import epoch_seconds

        recipes = dict.fromkeys(task.recipe for task in todo)
        new = [name for name in recipes if self.tries_steps and name not in self.epoch_seconds]
        for index, name in enumerate(new):
            self.bar.show("trying the first steps", index, len(new))
            limit = min(SECONDS_OF_STEPS, SECONDS_OF_ALL_STEPS / len(new))
            if (seconds := epoch_seconds(study.recipes[name], data, limit)) is not None:
                self.epoch_seconds[name] = seconds
        self.bar.remove()

    def _measured(self) -> dict[str, float]:
        """How long an epoch of each recipe took in the round before."""
        seconds = self.state.seconds if self.state else {}
        return {name: mean(values) for name, values in seconds.items() if values}

    def _announce(
        self,
        todo: Sequence[Task],
        later: Sequence[Task],
        following: RoundState,
        num_other_images: int,
        source: str,
    ) -> None:
        """Say what is to do, now and later, and how long all of it will probably take."""
        assert self.state is not None
        text = _described(todo)
        if len(todo) > 1 < self.state.num_workers:
            text += f", {min(self.state.num_workers, len(todo))} at a time"
        kinds = [[task for task in later if (task.size is None) == is_whole] for is_whole in (True, False)]
        parts = [_described(tasks) for tasks in kinds if tasks]
        if num_other_images:
            parts.append(f"tests on {counted(num_other_images, 'other image')}")
        text += f", then {listed(parts)}" if parts else ""
        lefts = (self.state.study_seconds_left(), following.study_seconds_left())
        if known := [left for left in lefts if left is not None]:
            # A model is tested on other images in this process, one after the other.
            epochs = COST_OF_EVALUATION * num_other_images / self.state.num_train
            tests = self.state.study.seeds * epochs * sum(self.epoch_seconds.values())
            text += f": {_about(sum(known) + tests + SECONDS_AT_END)}, by {source}"
            names = dict.fromkeys(task.recipe for task in [*todo, *later])
            if unknown := [name for name in names if name not in self.epoch_seconds]:
                text += f"; without {listed(unknown)}, whose time is not known"
        print_text(text, self.console)

    def tuned(self, tuning: Tuning) -> None:
        """Print the setting that was chosen for each recipe."""
        self._end_live()
        for line in describe_choices(tuning):
            print_text(line, self.console)

    def _end_live(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def looked(self, looks: Looks) -> None:
        """Print what the interim look after a round decided, and which recipes get more seeds."""
        self._end_live()
        if looks.taken:
            print_text(describe_last_look(looks), self.console)

    def _introduce(self, study: Study, data: ImageData, todo: Sequence[Task]) -> None:
        self.bar.remove()
        counts = " / ".join(f"{len(data.split(name)):,}" for name in SPLIT_NAMES)
        seeds = counted(study.seeds, "seed")
        trials = counted(sum(study.num_trials.values()), "trial") + ", then " if study.num_trials else ""
        sizes = [f"{size:,}" for size in study.train_sizes or () if size < len(data.train)]
        if study.until == "decided":
            seeds = f"{study.seeds} to {counted(study.most_seeds, 'seed')}"
        print_text(
            f"{study.name}: {trials}{counted(len(study.recipes), 'recipe')} x {seeds}"
            f"{f', also with {listed(sizes)} training images,' if sizes else ''} on "
            f"{data.source} ({counts} images in train / val / test, "
            f"{data.num_classes} classes, {data.image_size} x {data.image_size})",
            self.console,
        )
        remarks = [f"{name}: {one}" for name, recipe in study.recipes.items() for one in recipe.remarks]
        print_notes((*data.notes, *remarks, *self._not_captured), self.console)
        if todo and any(recipe.trains("lenet5") for recipe in study.recipes.values()):
            self._print_kernels()

    def _print_kernels(self) -> None:
        from bakeoff.kernels import describe_kernels

        kernels = describe_kernels()
        if kernels.startswith("none"):
            print_text(f"CPU kernels: {kernels}; using PyTorch's operations, which are slower", self.console)

    def handle(self, event: Event) -> None:
        """Process an event of the engine and show it."""
        assert self.state is not None
        self.state.take_in(event)
        if isinstance(event, RunFailed):
            print_text(f"{event.task}: failed: {event.reason}", self.console, "red")
        elif isinstance(event, RunRetried):
            print_text(f"{event.task}: {event.reason}; trying again", self.console, "yellow")
        elif isinstance(event, RunsNotStacked):
            message = f"{event.task.recipe}: seeds are trained one by one, not stacked: {event.reason}"
            print_text(message, self.console, "yellow")
        elif self.live is None and isinstance(event, EpochDone):
            record, epochs = event.record, event.task.recipe_in(self.state.study).epochs
            if record.epoch % EPOCHS_BETWEEN_LINES == 0 or record.epoch == epochs:
                print_text(_plain_line(event.task, record, epochs), self.console)
        elif self.live is None and isinstance(event, RunFinished):
            print_text(f"{_name(event.task)}: finished", self.console)


def _about(seconds: float) -> str:
    """A time as far as it is known before: seconds depend on what else the machine does."""
    return "less than a minute" if seconds < 60 else f"about {duration(round(seconds))}"


def _described(tasks: Sequence[Task]) -> str:
    """The number of runs of one kind."""
    fewer = " with fewer training images" if tasks[0].size is not None else ""
    return counted(len(tasks), "trial" if tasks[0].trial else "run") + fewer


def _name(task: Task) -> str:
    return str(task).replace(",", "")


def _plain_line(task: Task, record: EpochRecord, epochs: int) -> str:
    return (
        f"{_name(task)} epoch {record.epoch}/{epochs}: "
        f"loss {record.train_loss:.4f} accuracy {100 * record.train_accuracy:.1f} %, "
        f"val loss {record.val_loss:.4f} accuracy {100 * record.val_accuracy:.1f} %"
        f"{'; testing' if record.epoch == epochs and not task.trial else ''}"
    )
