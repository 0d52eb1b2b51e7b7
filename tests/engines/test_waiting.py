"""Which run is next: in order at first, the longest first towards the end."""

import heapq
from functools import partial

from bakeoff.engines import ProcessEngine
from bakeoff.engines.tasks import EpochDone, RunStarted, Task
from bakeoff.engines.waiting import WaitingRuns
from bakeoff.running import run_study
from bakeoff.study import load_study
from bakeoff.training.history import EpochRecord

SECONDS = {"lenet5": 2.0, "lenet5_l2_regularization": 2.1, "lenet5_batch_norm": 3.1}
STUDY = load_study("lenet5-stl10", source="digits")


def tasks(num_seeds):
    return [Task(recipe, seed, "") for seed in range(num_seeds) for recipe in SECONDS]


def epoch(task, seconds):
    return EpochDone(task, EpochRecord(1, 0.1, 2.0, 0.25, 1.5, 0.5, seconds))


def all_known(num_seeds):
    waiting = WaitingRuns(tasks(num_seeds), STUDY)
    for task in tasks(1):
        waiting.learn(epoch(task, 0.5 * SECONDS[task.recipe]))
        waiting.learn(epoch(task, 1.5 * SECONDS[task.recipe]))  # the mean counts
    return waiting


def names(waiting, num_workers):
    return [(task.recipe, task.seed) for task in (waiting.take(num_workers) for _ in range(len(waiting)))]


def test_the_order_is_kept_until_two_runs_a_worker_are_left():
    taken = names(all_known(4), 3)
    assert taken[:6] == [(recipe, seed) for seed in (0, 1) for recipe in SECONDS]
    assert taken[6:] == [(recipe, seed) for recipe in reversed(SECONDS) for seed in (2, 3)]


def test_what_nothing_is_known_of_goes_first_and_in_order():
    assert names(WaitingRuns(tasks(2), STUDY), 8) == [(task.recipe, task.seed) for task in tasks(2)]
    waiting = WaitingRuns(tasks(2), STUDY)
    waiting.learn(epoch(waiting.take(1), 100.0))
    assert names(waiting, 8) == [
        ("lenet5_l2_regularization", 0), ("lenet5_batch_norm", 0),
        ("lenet5_l2_regularization", 1), ("lenet5_batch_norm", 1), ("lenet5", 1),
    ]  # fmt: skip


def test_a_run_that_lost_its_worker_is_the_next():
    waiting = all_known(9)
    first = waiting.take(1)
    waiting.take(1)
    waiting.put_back(first)
    assert waiting.take(1) == first
    assert len(waiting) == 25


def test_cores_wait_less_at_the_end():
    """The same runs handed out in order and by the rule, on workers that are simulated."""

    def waited(num_workers, next_task):
        """Seconds that cores have nothing to do, a core."""
        free = [0.0] * num_workers
        for _ in range(30):
            heapq.heappush(free, heapq.heappop(free) + SECONDS[next_task().recipe])
        return max(free) - sum(free) / num_workers

    found = []
    for num_workers in (2, 3, 4, 6, 8):
        waiting, in_order = all_known(10), iter(tasks(10))
        ruled = waited(num_workers, partial(waiting.take, num_workers))
        found.append((ruled, waited(num_workers, partial(next, in_order))))
    assert all(ruled <= before for ruled, before in found), found
    assert sum(ruled for ruled, _ in found) < 0.6 * sum(before for _, before in found), found


def test_worker_processes_get_the_longest_of_the_last_runs_first(tmp_path):
    study = load_study(
        "quickstart",
        seeds=2,
        recipes=["lenet5", "lenet5_batch_norm"],
        overrides=["recipes.lenet5.epochs=1", "recipes.lenet5_batch_norm.epochs=8"],
    )
    started = []

    class Display:
        def begin(self, *_):
            pass

        decoding = audited = begin

        def handle(self, event):
            if isinstance(event, RunStarted):
                started.append((event.task.recipe, event.task.seed))

    run_study(study, tmp_path, engine=ProcessEngine(1), display=Display(), check=False)
    assert started == [
        ("lenet5", 0), ("lenet5_batch_norm", 0), ("lenet5_batch_norm", 1), ("lenet5", 1),
    ]  # fmt: skip
