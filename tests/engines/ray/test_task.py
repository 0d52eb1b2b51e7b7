"""What goes on in a node of a Ray cluster."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest
from tests.engines.ray.nodes import joining, ray_node, run

import bakeoff
from bakeoff.engines.ray.task import (
    LogGrown,
    Printed,
    RunResult,
    StateSaved,
    _Outbox,
    _StreamedOutput,
    _StreamedStates,
)


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


def test_of_the_states_that_wait_the_last_is_sent_and_all_else_in_order():
    outbox = _Outbox()
    for message in (Printed("one", "stdout"), StateSaved(b"old", 1, 0.1), Printed("two", "stderr")):
        outbox.put(message)
    outbox.put(StateSaved(b"new", 2, 0.2))
    outbox.close()
    assert list(outbox.batches(60)) == [
        [Printed("one", "stdout"), Printed("two", "stderr"), StateSaved(b"new", 2, 0.2)]
    ]


def test_messages_are_sent_in_batches_until_the_run_ends():
    outbox = _Outbox()

    def tell() -> None:
        for number in range(5):
            outbox.put(Printed(str(number), "stdout"))
            time.sleep(0.05)
        outbox.close()

    thread = threading.Thread(target=tell)
    thread.start()
    batches = list(outbox.batches(0.01))
    thread.join()
    assert [message.text for batch in batches for message in batch] == list("01234")
    assert len(batches) > 1


def test_a_log_is_sent_from_where_it_was_sent_last(tmp_path):
    sent = []
    output = _StreamedOutput(tmp_path, b"before", 1, sent.append)
    assert output.states.load() == b"before"
    output.log_directory.mkdir()
    events = output.log_directory / "events"
    events.write_bytes(b"first ")
    output.states.save(b"state", 1, 0.5)
    with events.open("ab") as file:
        file.write(b"second")
    output.save("the run", None)
    assert sent == [
        LogGrown("events", b"first "),
        StateSaved(b"state", 1, 0.5),
        LogGrown("events", b"second"),
        RunResult("the run"),
    ]


def test_states_come_no_faster_than_all_runs_together_may_send():
    sent = []
    states = _StreamedStates(None, 1000, sent.append)
    for epoch in range(1, 4):
        states.save(bytes(10_000_000), epoch, 0.5)
    assert [state.epoch for state in sent] == [1]
