"""What goes on in a node of a Ray cluster."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest
from tests.engines.ray.nodes import joining, ray_node, run

import bakeoff


@pytest.fixture
def task():
    """The module, imported when the environment is set: Ray reads its token once, when it is imported."""
    from bakeoff.engines.ray import task

    return task


@pytest.mark.slow
@pytest.mark.needs("mount")
def test_a_node_with_another_version_is_refused(cluster, folder, tmp_path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(Path(bakeoff.__file__).parent, other / "bakeoff")
    with (other / "bakeoff" / "training" / "loop.py").open("a") as file:
        file.write("# another version\n")
    with ray_node(*joining(cluster), hidden=tmp_path, environment={"PYTHONPATH": str(other)}):
        words = ("--engine", "ray", "--address", cluster.address, "--out", str(tmp_path / "study"))
        said = run(folder, "own.toml", *words, exits=2)
    assert "error: node " in said
    assert "of the Ray cluster has bakeoff's source " in said
    assert "install the same on each node" in said


def test_of_the_states_that_wait_the_last_is_sent_and_all_else_in_order(task):
    outbox = task._Outbox()
    for message in (
        task.Printed("one", "stdout"),
        task.StateSaved(b"old", 1, 0.1),
        task.Printed("two", "stderr"),
    ):
        outbox.put(message)
    outbox.put(task.StateSaved(b"new", 2, 0.2))
    outbox.close()
    assert list(outbox.batches(60)) == [
        [task.Printed("one", "stdout"), task.Printed("two", "stderr"), task.StateSaved(b"new", 2, 0.2)]
    ]


def test_messages_are_sent_in_batches_until_the_run_ends(task):
    outbox = task._Outbox()

    def tell() -> None:
        for number in range(5):
            outbox.put(task.Printed(str(number), "stdout"))
            time.sleep(0.05)
        outbox.close()

    thread = threading.Thread(target=tell)
    thread.start()
    batches = list(outbox.batches(0.01))
    thread.join()
    assert [message.text for batch in batches for message in batch] == list("01234")
    assert len(batches) > 1


def test_a_log_is_sent_from_where_it_was_sent_last(task, tmp_path):
    sent = []
    output = task._StreamedOutput(tmp_path, b"before", 1, sent.append)
    assert output.states.load() == b"before"
    output.log_directory.mkdir()
    events = output.log_directory / "events"
    events.write_bytes(b"first ")
    output.states.save(b"state", 1, 0.5)
    with events.open("ab") as file:
        file.write(b"second")
    output.save("the run", None)
    assert sent == [
        task.LogGrown("events", b"first "),
        task.StateSaved(b"state", 1, 0.5),
        task.LogGrown("events", b"second"),
        task.RunResult("the run"),
    ]


def test_states_come_no_faster_than_all_runs_together_may_send(task):
    sent = []
    states = task._StreamedStates(None, 1000, sent.append)
    for epoch in range(1, 4):
        states.save(bytes(10_000_000), epoch, 0.5)
    assert [state.epoch for state in sent] == [1]
