"""The progress of a study: a live table on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from statistics import mean, median
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

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
    RunStarted,
    Task,
)
from bakeoff.run_study import Display
from bakeoff.study import Study
from bakeoff.terminal.audit import print_audit, print_notes
from bakeoff.terminal.lines import print_text
from bakeoff.terminal.step import StepBar
from bakeoff.terminal.tables import LEAST_FOR_NAMES, fitting_table, short_names
from bakeoff.text import counted, listed
from bakeoff.training import EpochRecord
from bakeoff.training.finish import COST_OF_EVALUATION, epochs_to_finish

EPOCHS_BETWEEN_LINES = 5

HEADINGS = ("seeds", "epoch", "train\nloss", "val\nloss", "train\nacc.", "val\nacc.", "left")

EXPENDABLE = ("train\nloss", "val\nloss", "train\nacc.")
"""Omitted one by one if the terminal is narrow."""

SECONDS_OF_STEPS, SECONDS_OF_ALL_STEPS = 0.3, 3.0
"""About how long the first steps of a recipe, and of all of them, are timed."""

ROOM_FOR_NUMBERS = 37
"""The width of the other columns then, if no runs failed."""


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
        self.state: _State | None = None
        self._not_captured: list[str] = []

    def __enter__(self) -> StudyDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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

    def begin(
        self,
        study: Study,
        data: ImageData,
        tasks: Sequence[Task],
        todo: Sequence[Task],
        num_workers: int,
        later: Sequence[Task] = (),
        num_other_images: int = 0,
    ) -> None:
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
        self.state = _State(study, tasks, todo, num_workers, *sizes, expected=self.epoch_seconds)
        if todo:
            following = _State(study, later, later, num_workers, *sizes, expected=self.epoch_seconds)
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
        following: _State,
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
            text += f": about {_duration(max(1, sum(known) + tests))}, by {source}"
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


def _described(tasks: Sequence[Task]) -> str:
    """The number of runs of one kind."""
    fewer = " with fewer training images" if tasks[0].size is not None else ""
    return counted(len(tasks), "trial" if tasks[0].trial else "run") + fewer


class PredictionDisplay:
    """Shows how many images are classified, on a terminal only. A context manager.

    Parameters
    ----------
    console
        The console.
    count
        Returns the total number of images; called only if it is shown.
    """

    def __init__(self, console: Console, count: Callable[[], int]) -> None:
        self.progress = Progress(
            TextColumn("classifying images"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("", total=count() if console.is_terminal else None)

    def __enter__(self) -> PredictionDisplay:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def advance(self, num_images: int) -> None:
        self.progress.advance(self.task, num_images)


class _State:
    """The state of the study while it runs, and its table."""

    def __init__(
        self,
        study: Study,
        tasks: Sequence[Task],
        todo: Sequence[Task],
        num_workers: int,
        num_train: int,
        num_test: int,
        *,
        expected: Mapping[str, float] | None = None,
    ) -> None:
        self.study, self.num_workers = study, num_workers
        self.seeds = Counter(task.recipe for task in tasks)
        self.num_train, self.num_test = num_train, num_test
        self.heading = (
            "trials" if tasks and tasks[0].trial else "runs" if tasks and tasks[0].size else "seeds"
        )
        self.done = self.seeds - Counter(task.recipe for task in todo)
        self.failed: dict[str, int] = defaultdict(int)
        self.epochs_left: Counter[str] = Counter()
        sizes: dict[str, list[float]] = defaultdict(list)
        for task in todo:
            self.epochs_left[task.recipe] += task.recipe_in(study).epochs
            sizes[task.recipe].append((task.size or num_train) / num_train)
        # An epoch of a run with fewer training images takes as much less.
        self.expected = {
            name: each * (mean(sizes[name]) if sizes[name] else 1.0)
            for name, each in (expected or {}).items()
        }
        self.last: dict[str, EpochRecord] = {}
        self.running: dict[Task, int] = {}
        self.started: dict[Task, float] = {}
        self.seconds: dict[str, list[float]] = {name: [] for name in study.recipes}

    def take_in(self, event: Event) -> None:
        name = event.task.recipe
        if isinstance(event, EpochDone):
            self.last[name] = event.record
            self.running[event.task] = event.record.epoch
            self.epochs_left[name] -= 1
            self.seconds[name].append(event.record.seconds)
        elif isinstance(event, RunStarted):
            self.started[event.task] = time.perf_counter()
        elif isinstance(event, RunFinished):
            self.done[name] += 1
            if (recipe := event.task.recipe_in(self.study)).trainer is not None:  # which reports no epochs
                self.seconds[name].append(time.perf_counter() - self.started[event.task])
            self.epochs_left[name] -= recipe.epochs - self.running.pop(event.task, 0)
        elif isinstance(event, RunRetried):
            self.epochs_left[name] += self.running.pop(event.task, 0)
        elif isinstance(event, RunFailed):
            self.failed[name] += 1
            epochs = event.task.recipe_in(self.study).epochs
            self.epochs_left[name] -= epochs - self.running.pop(event.task, 0)

    def epoch_seconds(self, name: str) -> float | None:
        """How long an epoch of a recipe takes: as measured; before, as expected from its first steps.

        What is expected is corrected by what other recipes turned out to take, since runs share a machine.
        Without it, as long as the epochs of other recipes; None before the first epoch of all.
        """
        if self.seconds[name]:
            return mean(self.seconds[name])
        measured = {other: mean(seconds) for other, seconds in self.seconds.items() if seconds}
        if name in self.expected:
            ratios = [seconds / self.expected[o] for o, seconds in measured.items() if o in self.expected]
            return self.expected[name] * (median(ratios) if ratios else 1.0)
        return mean(measured.values()) if measured else None

    def seconds_left(self, name: str) -> float | None:
        """Estimated remaining time of a recipe, in seconds of one worker; None before the first epoch."""
        seconds = self.epoch_seconds(name)
        if seconds is None:
            return None
        num_runs = self._runs_left(name)
        training = self.epochs_left[name] * seconds
        if (minutes := self.study.recipes[name].max_minutes) is not None:
            training = min(training, num_runs * 60 * minutes)
        return training + num_runs * self._epochs_to_finish(name) * seconds

    def _epochs_to_finish(self, name: str) -> float:
        record = self.last.get(name)
        if self.heading == "trials":
            return 0.0
        return epochs_to_finish(
            self.study.recipes[name],
            self.num_train,
            self.num_test,
            record.val_accuracy if record else 0.0,
            all_attributions=self.study.all_attributions,
        )

    def study_seconds_left(self) -> float | None:
        """Estimated remaining time of the study: of all recipes together, and no less than of one run."""
        lefts = {name: self.seconds_left(name) for name in self.seeds}
        known = {name: left for name, left in lefts.items() if left is not None}
        if not known:
            return None
        one_run = [left / max(1, self._runs_left(name)) for name, left in known.items()]
        return max(sum(known.values()) / self.num_workers, *one_run)

    def _runs_left(self, name: str) -> int:
        return self.seeds[name] - self.done[name] - self.failed[name]

    def render(self, console: Console) -> Group:
        table = fitting_table(partial(self._table, console.width), EXPENDABLE, console)
        left = self.study_seconds_left()
        text = "starting workers" if left is None else f"about {_duration(left)} left"
        hint = "press Ctrl-C to stop, run the same command again to continue"
        return Group(table, Text(f"{text}; {hint}", style="dim"))

    def _table(self, width: int, omitted: Set[str]) -> Table:
        headings = [heading for heading in HEADINGS if heading not in omitted]
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        names = list(self.seeds)
        if omitted >= set(EXPENDABLE):
            names = short_names(names, max(LEAST_FOR_NAMES, width - ROOM_FOR_NUMBERS))
        table.add_column("recipe", no_wrap=True)
        for heading in headings:
            shown = self.heading if heading == "seeds" else heading
            table.add_column(shown, justify="right", no_wrap=True, vertical="bottom")
        for shown, name in zip(names, self.seeds, strict=True):
            recipe = self.study.recipes[name]
            record, left = self.last.get(name), self.seconds_left(name)
            epochs = sorted(epoch for task, epoch in self.running.items() if task.recipe == name)
            failed = f" ({self.failed[name]} failed)" if self.failed[name] else ""
            cells = (
                f"{self.done[name]}/{self.seeds[name]}{failed}",
                _epoch_text(epochs[-1], recipe.epochs) if epochs else "",
                f"{record.train_loss:.3f}" if record else "",
                f"{record.val_loss:.3f}" if record else "",
                f"{100 * record.train_accuracy:.1f}" if record else "",
                f"{100 * record.val_accuracy:.1f}" if record else "",
                _duration(left / self.num_workers) if left else "",
            )
            cell = dict(zip(HEADINGS, cells, strict=True))
            table.add_row(Text(shown), *(cell[heading] for heading in headings))
        return table


def _epoch_text(epoch: int, epochs: int) -> str:
    """After the last epoch, a run is tested: logits, features, attributions, and all of it is saved."""
    return f"{epoch}/{epochs}" if epoch < epochs else "testing"


def _name(task: Task) -> str:
    return str(task).replace(",", "")


def _plain_line(task: Task, record: EpochRecord, epochs: int) -> str:
    return (
        f"{_name(task)} epoch {record.epoch}/{epochs}: "
        f"loss {record.train_loss:.4f} accuracy {100 * record.train_accuracy:.1f} %, "
        f"val loss {record.val_loss:.4f} accuracy {100 * record.val_accuracy:.1f} %"
        f"{'; testing' if record.epoch == epochs and not task.trial else ''}"
    )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
