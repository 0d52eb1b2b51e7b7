"""The progress of a study: a live table on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
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
from bakeoff.terminal.step import StepBar
from bakeoff.terminal.tables import LEAST_FOR_NAMES, fitting_table, short_names
from bakeoff.text import counted, listed, printable
from bakeoff.training import EpochRecord
from bakeoff.training.finish import epochs_to_finish

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
        self.console.print(Text(f"{printable(text)}; waiting"), soft_wrap=True)

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
        seeds: Mapping[str, int],
        todo: list[Task],
        num_workers: int,
        *,
        of_trials: bool = False,
        of_sizes: bool = False,
    ) -> None:
        self._end_live()
        if self.state is None:
            self._introduce(study, data, todo)
        total = sum(seeds.values())
        if len(todo) < total:
            noun = "trial" if of_trials else "run"
            fewer = " with fewer training images" if of_sizes else ""
            self.console.print(
                f"{total - len(todo)} of {counted(total, noun)}{fewer} already finished, {len(todo)} to do"
            )
        measured = self._measured()
        self._try_steps(study, data, todo)
        self.epoch_seconds |= measured
        self.state = _State(
            study,
            seeds,
            todo,
            num_workers,
            len(data.train),
            len(data.test),
            of_trials=of_trials,
            expected=_by_size(self.epoch_seconds, todo, len(data.train)),
            of_sizes=of_sizes,
        )
        if todo:
            self._announce(
                todo, num_workers, "the epochs so far" if measured else "the first steps of each recipe"
            )
        if self.console.is_terminal and todo:
            self.live = Live(
                get_renderable=partial(self.state.render, self.console),
                console=self.console,
                refresh_per_second=4,
                transient=True,
            )
            self.live.start()

    def _try_steps(self, study: Study, data: ImageData, todo: list[Task]) -> None:
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

    def _announce(self, todo: list[Task], num_workers: int, source: str) -> None:
        """Say what is to do, and how long it will probably take."""
        assert self.state is not None
        text = counted(len(todo), "trial" if self.state.of_trials else "run")
        text += " with fewer training images" if self.state.of_sizes else ""
        if len(todo) > 1 < num_workers:
            text += f", {min(num_workers, len(todo))} at a time"
        if (left := self.state.study_seconds_left()) is not None:
            text += f": about {_duration(max(1, left))}, by {source}"
            if unknown := [
                name for name in {task.recipe: None for task in todo} if name not in self.epoch_seconds
            ]:
                text += f"; without {listed([*unknown])}, whose time is not known"
        self.console.print(Text(text), soft_wrap=True)

    def tuned(self, tuning: Tuning) -> None:
        """Print the setting that was chosen for each recipe."""
        self._end_live()
        for line in describe_choices(tuning):
            self.console.print(Text(printable(line)), soft_wrap=True)

    def _end_live(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def looked(self, looks: Looks) -> None:
        """Print what the interim look after a round decided, and which recipes get more seeds."""
        self._end_live()
        if looks.taken:
            self.console.print(Text(describe_last_look(looks)), soft_wrap=True)

    def _introduce(self, study: Study, data: ImageData, todo: list[Task]) -> None:
        self.bar.remove()
        counts = " / ".join(f"{len(data.split(name)):,}" for name in SPLIT_NAMES)
        seeds = counted(study.seeds, "seed")
        trials = counted(sum(study.num_trials.values()), "trial") + ", then " if study.num_trials else ""
        sizes = [f"{size:,}" for size in study.train_sizes or () if size < len(data.train)]
        if study.until == "decided":
            seeds = f"{study.seeds} to {counted(study.most_seeds, 'seed')}"
        self.console.print(
            Text(
                f"{study.name}: {trials}{counted(len(study.recipes), 'recipe')} x {seeds}"
                f"{f', also with {listed(sizes)} training images,' if sizes else ''} on "
                f"{printable(data.source)} ({counts} images in train / val / test, "
                f"{data.num_classes} classes, {data.image_size} x {data.image_size})"
            )
        )
        remarks = [f"{name}: {one}" for name, recipe in study.recipes.items() for one in recipe.remarks]
        print_notes((*data.notes, *remarks, *self._not_captured), self.console)
        if todo and any(recipe.trains("lenet5") for recipe in study.recipes.values()):
            self._print_kernels()

    def _print_kernels(self) -> None:
        from bakeoff.kernels import describe_kernels

        kernels = describe_kernels()
        if kernels.startswith("none"):
            self.console.print(
                Text(f"CPU kernels: {printable(kernels)}; using PyTorch's operations, which are slower")
            )

    def handle(self, event: Event) -> None:
        """Process an event of the engine and show it."""
        assert self.state is not None
        self.state.take_in(event)
        if isinstance(event, RunFailed):
            failed = f"{event.task}: failed: {printable(event.reason)}"
            self.console.print(Text(failed, style="red"))
        elif isinstance(event, RunRetried):
            retried = f"{event.task}: {printable(event.reason)}; trying again"
            self.console.print(Text(retried, style="yellow"))
        elif isinstance(event, RunsNotStacked):
            message = (
                f"{event.task.recipe}: seeds are trained one by one, not stacked: {printable(event.reason)}"
            )
            self.console.print(Text(message, style="yellow"))
        elif self.live is None and isinstance(event, EpochDone):
            record, epochs = event.record, event.task.recipe_in(self.state.study).epochs
            if record.epoch % EPOCHS_BETWEEN_LINES == 0 or record.epoch == epochs:
                self.console.print(Text(_plain_line(event.task, record, epochs)), soft_wrap=True)
        elif self.live is None and isinstance(event, RunFinished):
            self.console.print(Text(f"{_name(event.task)}: finished"), soft_wrap=True)


def _by_size(seconds: Mapping[str, float], todo: list[Task], num_train: int) -> dict[str, float]:
    """The time of an epoch of each recipe, on average over runs with fewer training images."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for task in todo:
        sizes[task.recipe].append(task.size or num_train)
    return {
        name: each * sum(sizes[name]) / (len(sizes[name]) * num_train) if sizes[name] else each
        for name, each in seconds.items()
    }


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
        seeds: Mapping[str, int],
        todo: list[Task],
        num_workers: int,
        num_train: int,
        num_test: int,
        *,
        of_trials: bool = False,
        expected: Mapping[str, float] | None = None,
        of_sizes: bool = False,
    ) -> None:
        self.study, self.seeds, self.num_workers = study, seeds, num_workers
        self.expected = expected or {}
        self.num_train, self.num_test = num_train, num_test
        self.of_trials, self.of_sizes = of_trials, of_sizes
        self.done = dict(seeds)
        for task in todo:
            self.done[task.recipe] -= 1
        self.failed: dict[str, int] = defaultdict(int)
        self.epochs_left = dict.fromkeys(seeds, 0)
        for task in todo:
            self.epochs_left[task.recipe] += task.recipe_in(study).epochs
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
        if self.of_trials:
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
            counts = "trials" if self.of_trials else "runs" if self.of_sizes else heading
            shown = counts if heading == "seeds" else heading
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
