"""Studies on real Ray clusters of several nodes: same bytes, lost nodes, Ctrl-C, failures, messages."""

from __future__ import annotations

import csv
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import bakeoff

SUBNET = "10.213.7"
DRIVER_ADDRESS = f"{SUBNET}.1"
BAKEOFF = str(Path(sys.executable).with_name("bakeoff"))
RAY = str(Path(sys.executable).with_name("ray"))
STUDY = """
name = "own"
seeds = 1
[data]
source = "digits"
[defaults]
epochs = 120
[recipes.lenet5]
[recipes.own.model]
name = "own_model:Net"
[recipes.own.augmentation]
custom = "own_model:Shift"
"""
OWN_MODEL = """
import numpy as np
from torch import nn

import own_layers


class Net(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.layers = own_layers.layers(image_size, num_classes)

    def forward(self, images):
        return self.layers(images)


class Shift:
    def __call__(self, images, generator):
        return np.roll(images, generator.integers(-2, 3), axis=2)
"""
OWN_LAYERS = """
from torch import nn


def layers(size, num_classes):
    hidden = nn.Linear(3 * size * size, 32)
    return nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), nn.Linear(32, num_classes))
"""
FAILING = """
name = "failing"
seeds = 1
[data]
source = "digits"
[defaults]
epochs = 2
[recipes.good]
[recipes.diverges.optimizer]
lr = 1e30
[recipes.raises.model]
name = "failing_models:Raises"
[recipes.dies.model]
name = "failing_models:Dies"
"""
FAILING_MODELS = """
import os

from torch import nn


class Raises(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))

    def forward(self, images):
        if len(images) > 4:  # four are tried before the study
            self.fail()
        return self.layers(images)

    def fail(self):
        raise LookupError("nothing found")


class Dies(Raises):
    def fail(self):
        os._exit(3)
"""


@pytest.fixture(scope="module", autouse=True)
def ray_environment() -> Iterator[None]:
    """A token of these tests alone; without one, Ray would write one to the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


@pytest.fixture(scope="module")
def cluster(ray_environment):
    """A head without a core; each test adds its nodes."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


@contextmanager
def ray_node(
    *words: str,
    hidden: Path | None = None,
    within: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> Iterator[None]:
    """A node of `ray start`; it sees nothing in the folder `hidden`, nor in those of other nodes."""
    command = [RAY, "start", "--block", *words]
    if hidden:
        hide = "for folder in $0 /tmp/ray /dev/shm; do mkdir -p $folder && mount -t tmpfs tmpfs $folder; done"
        command = ["unshare", "--mount", "bash", "-c", f'{hide}; cd / && exec "$@"', str(hidden), *command]
    process = subprocess.Popen(
        [*within, *command],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ray runtime started" in line:
                break
        else:
            pytest.fail("".join(said))
        yield
    finally:
        process.terminate()
        process.communicate()


def joining(cluster) -> tuple[str, str]:
    return f"--address={cluster.address}", "--num-cpus=1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("own")
    texts = {"own.toml": STUDY, "own_model.py": OWN_MODEL, "own_layers.py": OWN_LAYERS}
    texts |= {"failing.toml": FAILING, "failing_models.py": FAILING_MODELS}
    for name, text in texts.items():
        (made / name).write_text(text)
    return made


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BAKEOFF, "run", *words, "--no-check"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def run(folder: Path, *words: str, exits: int = 0) -> str:
    process = start(folder, *words)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == exits, said
    return said


def contents(study: Path) -> dict[str, object]:
    """Bytes of the results, and the history without its times."""
    found: dict[str, object] = {}
    for path in sorted((study / "runs").rglob("*.*")):
        if path.name == "history.csv":
            with path.open(newline="") as file:
                found[str(path.relative_to(study))] = [row[:-1] for row in csv.reader(file)]
        else:
            found[str(path.relative_to(study))] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def expected(folder) -> dict[str, object]:
    """What local processes give."""
    run(folder, "own.toml", "--out", "processes")
    return contents(folder / "processes")


def assert_same(found: dict[str, object], expected: dict[str, object]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.needs("mount")
def test_a_node_that_shares_no_file_gives_the_bytes_of_local_processes(cluster, folder, tmp_path_factory):
    words = ["own.toml", "--epochs", "10"]
    run(folder, *words, "--out", "local")
    with ray_node(*joining(cluster), hidden=tmp_path_factory.getbasetemp()):
        said = run(folder, *words, "--out", "ray", "--engine", "ray", "--address", cluster.address)
    assert "2 recipes x 1 seed" in said
    assert_same(contents(folder / "ray"), contents(folder / "local"))
    logs = [path.parent for path in (folder / "ray" / "tensorboard").rglob("events.out.tfevents.*")]
    assert sorted(str(path.relative_to(folder / "ray" / "tensorboard")) for path in logs) == [
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
    assert "the same command goes on from there" in said
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


def test_what_cannot_be_joined_is_told_at_once(folder):
    for address, words in {
        "127.0.0.1:1": "nothing answers at 127.0.0.1:1 (",
        "ray://127.0.0.1:10001": "expected HOST:PORT of a Ray cluster",
        "head": "expected HOST:PORT of a Ray cluster",
    }.items():
        began = time.monotonic()
        said = run(folder, "own.toml", "--engine", "ray", "--address", address, exits=2)
        assert words in said
        assert time.monotonic() - began < 20
    assert "give --engine ray with it" in run(folder, "own.toml", "--address", "auto", exits=2)
    assert "expected processes, ray" in run(folder, "own.toml", "--engine", "slurm", exits=2)


def test_without_the_extra_it_says_what_to_install(folder):
    words = ["run", "own.toml", "--engine", "ray"]
    script = (
        f"import sys; sys.modules['ray'] = None; sys.argv[1:] = {words}; from bakeoff.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install -c constraints.txt '.[ray]'" in done.stderr


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
