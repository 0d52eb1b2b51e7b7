"""Which run is next: in order at first, towards the end so that all workers end at about the same time."""

import heapq

import pytest

from bakeoff.engines import ProcessEngine
from bakeoff.engines.engine import EpochDone, RunFinished, RunStarted, Task
from bakeoff.engines.waiting import WaitingRuns
from bakeoff.run_study import run_study
from bakeoff.study import load_study
from bakeoff.training.records import EpochRecord

SECONDS = {"lenet5": 2.0, "lenet5_l2_regularization": 2.1, "lenet5_batch_norm": 3.1}
STUDY = load_study("lenet5-stl10", source="digits")


def tasks(num_seeds):
    return [Task(recipe, seed, "") for seed in range(num_seeds) for recipe in SECONDS]


def epoch(task, seconds, number=1):
    return EpochDone(task, EpochRecord(number, 0.1, 2.0, 0.25, 1.5, 0.5, seconds))


def all_known(num_seeds):
    waiting = WaitingRuns(tasks(num_seeds), STUDY)
    for task in tasks(1):
        waiting.learn(epoch(task, 0.5 * SECONDS[task.recipe]))
        waiting.learn(epoch(task, 1.5 * SECONDS[task.recipe]))  # the mean counts
    return waiting


def hand_out(waiting, num_workers, seconds=SECONDS):
    """Runs in the order in which simulated workers get them, and how long cores wait at the end, a core."""

    def length(task):
        return seconds[task.recipe] * STUDY.recipes[task.recipe].epochs

    free, busy, taken = [0.0] * num_workers, [], []
    while waiting:
        if not free:
            now, _, ended = heapq.heappop(busy)
            waiting.learn(RunFinished(ended))
            free.append(now)
        now = free.pop()
        for end, _, task in busy:  # what those that go on have told by now
            done = int((length(task) - (end - now)) / seconds[task.recipe])
            waiting.learn(epoch(task, seconds[task.recipe], done))
        taken.append(waiting.take(num_workers))
        heapq.heappush(busy, (now + length(taken[-1]), len(taken), taken[-1]))
    ends = free + [end for end, *_ in busy]
    return taken, max(ends) - sum(ends) / num_workers


def named(taken):
    return [(task.recipe, task.seed) for task in taken]


def test_the_order_is_kept_until_three_runs_a_worker_are_left():
    taken, _ = hand_out(all_known(6), 3)
    assert named(taken)[:9] == [(recipe, seed) for seed in (0, 1, 2) for recipe in SECONDS]
    assert sorted(named(taken)[9:]) == sorted((recipe, seed) for recipe in SECONDS for seed in (3, 4, 5))
    for recipe in SECONDS:
        seeds = [seed for name, seed in named(taken) if name == recipe]
        assert seeds == sorted(seeds)


def test_where_nothing_is_to_be_gained_the_longest_goes_first():
    taken, _ = hand_out(all_known(1), 1)
    assert [task.recipe for task in taken] == list(reversed(SECONDS))


SHORT_AND_LONG = {"lenet5": 0.19, "lenet5_batch_norm": 0.26}


def short_and_long_runs():
    """Five of 19 s and two of 26, a short one first."""
    names = ["lenet5", "lenet5_batch_norm", "lenet5_batch_norm", *["lenet5"] * 4]
    waiting = WaitingRuns([Task(name, seed, "") for seed, name in enumerate(names)], STUDY)
    for name, seconds in SHORT_AND_LONG.items():
        waiting.learn(epoch(Task(name, 9, ""), seconds))
    return waiting


def test_a_short_run_goes_before_a_long_one_where_all_are_done_sooner():
    taken, waited = hand_out(short_and_long_runs(), 2, SHORT_AND_LONG)
    # One core waits 5 s, which is the least there is: 19 + 19 + 19 + 19 and 26 + 26 + 19. With the longest
    # first, where the other is busy with a short one, it waits 19.
    assert waited == pytest.approx(2.5), named(taken)


@pytest.mark.parametrize(("epochs_done", "expected"), [(1, "lenet5_batch_norm"), (73, "lenet5")])
def test_how_far_a_run_is_counts(epochs_done, expected):
    waiting = short_and_long_runs()
    waiting.learn(RunFinished(waiting.take(1)))
    running = waiting.take(1)
    waiting.learn(epoch(running, SHORT_AND_LONG[running.recipe], epochs_done))
    assert running.recipe == "lenet5_batch_norm"
    assert waiting.take(2).recipe == expected


def test_what_nothing_is_known_of_goes_first_and_in_order():
    waiting = WaitingRuns(tasks(2), STUDY)
    assert named(waiting.take(8) for _ in range(6)) == named(tasks(2))
    waiting = WaitingRuns(tasks(2), STUDY)
    waiting.learn(epoch(waiting.take(1), 100.0))
    assert named(waiting.take(8) for _ in range(5)) == [
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

    def in_order(num_workers):
        free = [0.0] * num_workers
        for task in tasks(10):
            heapq.heappush(free, heapq.heappop(free) + 100 * SECONDS[task.recipe])
        return max(free) - sum(free) / num_workers

    found = [(hand_out(all_known(10), workers)[1], in_order(workers)) for workers in (2, 3, 4, 6, 8)]
    assert all(ruled <= before for ruled, before in found), found
    assert sum(ruled for ruled, _ in found) < 0.5 * sum(before for _, before in found), found


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
