"""Runs on a Ray cluster give the bytes of local processes, whatever is lost meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engines.ray.nodes import assert_same, contents, joining, ray_node, run, start

SUBNET = "10.213.7"
DRIVER_ADDRESS = f"{SUBNET}.1"


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.needs("mount")
def test_a_node_that_shares_no_file_gives_the_bytes_of_local_processes(cluster, folder, tmp_path_factory):
    words = ["own.toml", "--epochs", "10"]
    run(folder, *words, "--out", "local")
    with ray_node(*joining(cluster), hidden=tmp_path_factory.getbasetemp()):
        said = run(folder, *words, "--out", "ray", "--engine", "ray", "--address", cluster.address)
    assert "3 recipes x 1 seed" in said
    assert_same(contents(folder / "ray"), contents(folder / "local"))
    logs = [path.parent for path in (folder / "ray" / "tensorboard").rglob("events.out.tfevents.*")]
    assert sorted(str(path.relative_to(folder / "ray" / "tensorboard")) for path in logs) == [
        "head/seed-0",
        "lenet5/seed-0",
        "own/seed-0",
    ]


@pytest.mark.slow
def test_a_lost_node_and_ctrl_c_cost_only_the_time_since_the_last_state(cluster, folder, expected):
    # A shell starts jobs in the background with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    words = ("own.toml", "--out", "disturbed", "--engine", "ray", "--address", cluster.address)
    states = [folder / f"disturbed/runs/{name}/seed-0/unfinished.state" for name in ("lenet5", "own")]
    first = cluster.add_node(num_cpus=1)
    process = start(folder, *words)
    lines = iter(process.stdout or ())
    wait_for(lambda: any(path.exists() for path in states), process)
    second = cluster.add_node(num_cpus=1)
    cluster.remove_node(first, allow_graceful=False)
    lost = read_until("seed 0: the node was lost; trying again", lines)
    goes_on = read_until("epoch", lines)
    process.send_signal(signal.SIGINT)
    said = lost + goes_on + process.communicate(timeout=30)[0]
    assert process.returncode == 130, said
    assert "raylet" not in said  # Ray's own dump of the lost node's log
    assert "run the same command again to continue" in said
    assert workers() == []
    run(folder, *words)
    cluster.remove_node(second)
    assert_same(contents(folder / "disturbed"), expected)


def read_until(text: str, lines: Iterator[str]) -> str:
    """What a process says, up to a line with this text."""
    said = ""
    for line in lines:
        said += line
        if text in line:
            return said
    pytest.fail(f"{text!r} was not said:\n{said}")


def workers() -> list[str]:
    """Processes in which a run goes on."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
        if text.startswith("ray::ray_task"):
            found.append(text)
    return found


@pytest.mark.slow
def test_on_a_ray_of_its_own_runs_that_fail_fail_alone(folder):
    said = run(folder, "failing.toml", "--engine", "ray", "--jobs", "2", "--out", "failed", exits=1)
    assert "diverges, seed 0: failed: training loss is nan in epoch 1" in said
    assert "raises, seed 0: failed: LookupError: nothing found" in said
    assert said.count('raise LookupError("nothing found")') == 1  # the traceback, as with local processes
    assert said.count("dies, seed 0: the worker process died; trying again") == 2
    assert "dies, seed 0: failed: the worker process died" in said
    assert (folder / "failed/runs/good/seed-0/predictions.npz").exists()
    assert workers() == []


DRAWN = """
name = "drawn"
seeds = 2
train_sizes = [300]
data = { source = "digits", groups = '^(\\d{1,2})' }
[recipes.drawn]
vary = ["weights", "order", "split"]
epochs = 1
"""


@pytest.mark.slow
def test_runs_that_draw_their_images_are_those_of_local_processes(folder):
    (folder / "drawn.toml").write_text(DRAWN)
    run(folder, "drawn.toml", "--out", "drawn-local")
    run(folder, "drawn.toml", "--out", "drawn-ray", "--engine", "ray", "--jobs", "2")
    local = contents(folder / "drawn-local")
    assert len([name for name in local if name.startswith("sizes/300/drawn/seed-")]) == 4
    assert_same(contents(folder / "drawn-ray"), local)


@pytest.fixture
def network() -> Iterator[list[str]]:
    """Two network namespaces on a bridge of their own; gives their names."""
    names = [f"bakeoff{os.getpid()}{letter}" for letter in "ab"]
    bridge = f"bo{os.getpid()}"
    try:
        ip("link", "add", bridge, "type", "bridge")
        ip("addr", "add", f"{DRIVER_ADDRESS}/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number, name in enumerate(names):
            ip("netns", "add", name)
            ip("link", "add", f"{bridge}{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"{bridge}{number}", "master", bridge, "up")
            ip("-n", name, "addr", "add", f"{SUBNET}.{number + 11}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "del", bridge], check=False)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.mark.long
def test_a_node_whose_network_is_cut_costs_only_the_time_since_the_last_state(
    network, folder, expected, tmp_path_factory
):
    """As root, with iproute2. Each node has a network, temporary files and shared memory of its own."""
    files = tmp_path_factory.getbasetemp()
    address = f"{DRIVER_ADDRESS}:6391"
    head = ("--head", f"--node-ip-address={DRIVER_ADDRESS}", "--port=6391", "--num-cpus=0")
    join = (f"--address={address}", "--num-cpus=1")
    states = [folder / f"cut/runs/{name}/seed-0/unfinished.state" for name in ("lenet5", "own")]
    with (
        ray_node(*head, "--include-dashboard=false"),
        ray_node(*join, hidden=files, within=("ip", "netns", "exec", network[0])),
        ray_node(*join, hidden=files, within=("ip", "netns", "exec", network[1])),
    ):
        process = start(folder, "own.toml", "--out", "cut", "--engine", "ray", "--address", address)
        wait_for(lambda: all(path.exists() for path in states), process)
        ip("-n", network[0], "link", "set", "eth0", "down")
        said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert said.count("seed 0: the node was lost; trying again") == 1
    assert_same(contents(folder / "cut"), expected)
