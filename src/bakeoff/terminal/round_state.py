"""RoundState: which runs of a round are done, how long the others will take, and the live table of them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from functools import partial
from statistics import mean, median

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bakeoff.engines import EpochDone, Event, RunFailed, RunFinished, RunRetried, RunStarted, Task
from bakeoff.study import Study
from bakeoff.terminal.tables import LEAST_FOR_NAMES, fitting_table, short_names
from bakeoff.text import duration
from bakeoff.training import EpochRecord
from bakeoff.training.finish import epochs_to_finish

HEADINGS = ("seeds", "epoch", "train\nloss", "val\nloss", "train\nacc.", "val\nacc.", "left")

EXPENDABLE = ("train\nloss", "val\nloss", "train\nacc.")
"""Omitted one by one if the terminal is narrow."""

ROOM_FOR_NUMBERS = 37
"""The width of the other columns then, if no runs failed."""

SECONDS_PER_RUN = 1.0
"""What a run costs beside its epochs and tests, such as opening images and saving: measured with 27
runs of 2 or 3 epochs, 2 at a time, on 2 cores at a load of 8."""


class RoundState:
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
        self.seconds_later = 0.0  # of the rounds that follow

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
        # Of other trainers, a whole run is measured.
        fixed = SECONDS_PER_RUN if self.study.recipes[name].trainer is None else 0.0
        return training + num_runs * (self._epochs_to_finish(name) * seconds + fixed)

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
        text = "starting workers"
        if left is not None:
            text = f"about {duration(round(left + self.seconds_later))} left"
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
                duration(round(left / self.num_workers)) if left else "",
            )
            cell = dict(zip(HEADINGS, cells, strict=True))
            table.add_row(Text(shown), *(cell[heading] for heading in headings))
        return table


def _epoch_text(epoch: int, epochs: int) -> str:
    """After the last epoch, a run is tested: logits, features, attributions, and all of it is saved."""
    return f"{epoch}/{epochs}" if epoch < epochs else "testing"
