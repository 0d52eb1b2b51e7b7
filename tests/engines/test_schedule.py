"""Which run is next: in order, and the last one of each worker the longest first."""

import heapq

from bakeoff.engines import ProcessEngine
from bakeoff.engines.engine import EpochDone, RunStarted, Task
from bakeoff.engines.schedule import RunQueue
from bakeoff.running.run_study import run_study
from bakeoff.study import load_study
from bakeoff.training.records import EpochRecord

SECONDS = {"lenet5": 2.0, "lenet5_l2_regularization": 2.1, "lenet5_batch_norm": 3.1}
STUDY = load_study("lenet5-stl10", source="digits")


def tasks(num_seeds):
    return [Task(recipe, seed, "") for seed in range(num_seeds) for recipe in SECONDS]


def epoch(task, seconds):
    return EpochDone(task, EpochRecord(1, 0.1, 2.0, 0.25, 1.5, 0.5, seconds))


def queue_with_known_seconds(num_seeds):
    queue = RunQueue(tasks(num_seeds), STUDY)
    for task in tasks(1):
        queue.learn(epoch(task, 0.5 * SECONDS[task.recipe]))
        queue.learn(epoch(task, 1.5 * SECONDS[task.recipe]))  # the mean counts
    return queue


def named(taken):
    return [(task.recipe, task.seed) for task in taken]


def test_the_order_is_kept_until_one_run_a_worker_is_left_and_then_the_longest_goes_first():
    queue = queue_with_known_seconds(3)
    taken = named(queue.take(4) for _ in range(9))
    assert taken[:5] == named(tasks(3))[:5]
    assert taken[5:] == [
        ("lenet5_batch_norm", 1), ("lenet5_batch_norm", 2), ("lenet5_l2_regularization", 2), ("lenet5", 2),
    ]  # fmt: skip


def test_what_nothing_is_known_of_goes_first_and_in_order():
    queue = RunQueue(tasks(2), STUDY)
    assert named(queue.take(8) for _ in range(6)) == named(tasks(2))
    queue = RunQueue(tasks(2), STUDY)
    queue.learn(epoch(queue.take(8), 100.0))
    assert named(queue.take(8) for _ in range(5)) == [
        ("lenet5_l2_regularization", 0), ("lenet5_batch_norm", 0),
        ("lenet5_l2_regularization", 1), ("lenet5_batch_norm", 1), ("lenet5", 1),
    ]  # fmt: skip


def test_a_run_that_lost_its_worker_is_the_next():
    queue = queue_with_known_seconds(9)
    first = queue.take(1)
    queue.take(1)
    queue.put_back(first)
    assert queue.take(1) == first
    assert len(queue) == 25


def test_cores_wait_less_at_the_end():
    """The same runs handed out in order and by the queue, on workers that are simulated."""

    def waited(taken, num_workers):
        free = [0.0] * num_workers
        for task in taken:
            heapq.heappush(free, heapq.heappop(free) + 100 * SECONDS[task.recipe])
        return max(free) - sum(free) / num_workers

    def pair(num_workers):
        queue = queue_with_known_seconds(10)
        by_queue = [queue.take(num_workers) for _ in range(30)]
        return waited(by_queue, num_workers), waited(tasks(10), num_workers)

    found = [pair(num_workers) for num_workers in (2, 3, 4, 6, 8)]
    assert all(by_queue <= in_order for by_queue, in_order in found), found
    assert sum(by_queue for by_queue, _ in found) < 0.7 * sum(in_order for _, in_order in found), found


def test_worker_processes_get_the_longest_of_the_last_runs_first(tmp_path):
    study = load_study(
        "quickstart",
        seeds=2,
        recipes=["lenet5", "lenet5_batch_norm"],
        overrides=["recipes.lenet5.epochs=1", "recipes.lenet5_batch_norm.epochs=40"],
    )
    started = []

    class Display:
        def begin(self, *_):
            pass

        decoding = audited = begin

        def handle(self, event):
            if isinstance(event, RunStarted):
                started.append((event.task.recipe, event.task.seed))

    with ProcessEngine(2) as engine:
        # One run for each worker, so that both have loaded their libraries when the study begins.
        warm_up = study.changed(seeds=1, recipes={"lenet5_batch_norm": study.recipes["lenet5"]})
        run_study(warm_up, tmp_path / "warm-up", engine=engine, check=False)
        run_study(study, tmp_path / "study", engine=engine, display=Display(), check=False)
    assert sorted(started[:2]) == [("lenet5", 0), ("lenet5_batch_norm", 0)]
    assert started[2:] == [("lenet5_batch_norm", 1), ("lenet5", 1)]
