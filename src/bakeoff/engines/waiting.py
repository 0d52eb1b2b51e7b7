"""The runs that no worker has yet, and which of them is next."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bakeoff.engines.engine import EpochDone, Event, RunFailed, RunFinished, Task
from bakeoff.study import Study

LAST_RUNS_A_WORKER = 3
"""So many runs a worker before the end they go in the order that ends soonest.

In 400 simulated studies of 2 to 6 recipes, 5 to 20 seeds and lengths 1 : 4, cores that waited for the last
run cost 0.6 % with two workers, 1.9 with four and 5 with eight; with the longest first 0.8, 2.7 and 6; of
`lenet5-stl10` with two workers 0.4, and 2.0 with the longest first. More runs a worker change little, and
leave a study that is stopped without the seeds of some recipes.
"""


class WaitingRuns:
    """Runs in order, and towards the end such that all workers end at about the same time.

    Parameters
    ----------
    tasks
        In the order in which they should be done.
    study
        Theirs: how many epochs a run has.
    """

    def __init__(self, tasks: Sequence[Task], study: Study) -> None:
        self._tasks = list(tasks)
        self._study = study
        self._epochs: defaultdict[str, list[float]] = defaultdict(list)
        self._left: dict[Task, int] = {}
        """Epochs still to do of the runs that were taken."""

    def __len__(self) -> int:
        return len(self._tasks)

    def learn(self, event: Event) -> None:
        """Take in how long an epoch of a recipe takes, how far a run is, and that it has ended."""
        if isinstance(event, EpochDone):
            self._epochs[event.task.recipe].append(event.record.seconds)
            if event.task in self._left:
                self._left[event.task] = self._num_epochs(event.task) - event.record.epoch
        elif isinstance(event, RunFinished | RunFailed):
            self._left.pop(event.task, None)

    def take(self, num_workers: int) -> Task:
        """Remove and return the next run for one of so many workers."""
        if len(self._tasks) > LAST_RUNS_A_WORKER * num_workers:
            chosen = self._tasks[0]
        else:
            chosen = self._with_soonest_end(num_workers)
        self._tasks.remove(chosen)
        self._left[chosen] = self._num_epochs(chosen)
        return chosen

    def put_back(self, task: Task) -> None:
        """A run whose worker was lost is the next; towards the end, the next of its recipe."""
        self._left.pop(task, None)
        self._tasks.insert(0, task)

    def _with_soonest_end(self, num_workers: int) -> Task:
        """The run after which all are done soonest, if those left then go the longest first.

        Of equals the longest, then the first. What no epoch is known of may be long.
        """
        seconds = {recipe: self._seconds_an_epoch(recipe) for recipe in self._study.recipes}
        busy = [left * seconds[task.recipe] for task, left in self._left.items() if left]
        others_free = [0.0] * max(0, num_workers - len(busy) - 1)

        def length(task: Task) -> float:
            return self._num_epochs(task) * seconds[task.recipe]

        def end_after(task: Task) -> float:
            others = [length(other) for other in self._tasks if other != task]
            end = _end([*busy, *others_free, length(task)], others)
            return round(end, 6)  # sums of the same lengths differ in their last bits by their order

        first_of_recipe: dict[str, Task] = {}
        for task in self._tasks:
            first_of_recipe.setdefault(task.recipe, task)
        return min(sorted(first_of_recipe.values(), key=length, reverse=True), key=end_after)

    def _num_epochs(self, task: Task) -> int:
        return self._study.recipes[task.recipe].epochs

    def _seconds_an_epoch(self, recipe: str) -> float:
        known = self._epochs.get(recipe)
        return sum(known) / len(known) if known else math.inf


def _end(ends: list[float], lengths: Iterable[float]) -> float:
    """When the last run ends, of workers that are busy until `ends`, if runs go the longest first."""
    heapq.heapify(ends)
    for length in sorted(lengths, reverse=True):
        heapq.heappush(ends, heapq.heappop(ends) + length)
    return max(ends)
