"""The engine for several machines: each run is a task on a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Generator, Sequence
from typing import Any

from bakeoff.engines.engine import Event, Job, Task
from bakeoff.environment import available_cores
from bakeoff.errors import BakeoffError
from bakeoff.text import shorten

SECONDS_TO_CONNECT = 10.0


class RayEngine:
    """Runs on a Ray cluster. As a context manager, it disconnects from the cluster, or stops its own Ray.

    Parameters
    ----------
    address
        Of a cluster that this machine is a node of, `HOST:PORT`, or "auto" for the one on this machine. By
        default Ray is started on this machine.
    num_workers
        Runs at the same time; by default one per core of the cluster.

    Raises
    ------
    BakeoffError
        If Ray is not installed, or the cluster cannot be reached.
    """

    device = "cpu"

    def __init__(self, address: str | None = None, num_workers: int | None = None) -> None:
        self._ray = _import_ray()
        self._address, self._limit = address, num_workers
        self._connected_here = False
        if address is not None:
            _check_address(address)
            self.join()

    @property
    def num_workers(self) -> int:
        if self._address is None and not self._ray.is_initialized():
            return self._limit or available_cores()
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        return min(self._limit or cores, max(cores, 1))

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect from the cluster; the tasks of this engine that still run there are stopped."""
        if self._connected_here:
            self._ray.shutdown()
            self._connected_here = False

    def do(self, tasks: Sequence[Task], job: Job) -> Generator[Event, None, None]:
        """Execute all tasks and yield events as they occur.

        When a worker or its node is lost, another worker resumes the run from the last state that reached the
        driver; a run that loses three workers in a row without a new state is reported as failed.

        Raises
        ------
        BakeoffError
            If the nodes of the cluster cannot execute runs at all: another version of Bakeoff, for example.
        """
        self.join()
        from bakeoff.engines.ray.driver import RayDriver

        yield from RayDriver(tasks, job, self.num_workers, self._limit).do()

    def join(self) -> None:
        """Connect to the cluster, or start Ray on this machine; `do` calls it if necessary."""
        if self._ray.is_initialized():
            return
        # No usage statistics from a Ray that we start.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # The output of a run comes with its events; Ray's forwarding would add whole dumps for a lost node.
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self._address is None:
            options |= {"address": "local", "num_cpus": self.num_workers, "include_dashboard": False}
        else:
            options |= {"address": self._address}
        try:
            self._ray.init(**options)
        except Exception as error:  # Ray raises many exceptions
            reason = f"({type(error).__name__}: {error})"
            if self._address is None:
                raise BakeoffError(f"Ray does not start on this machine {reason}") from error
            raise BakeoffError(
                f"cannot join the Ray cluster at {self._address} {reason}; this machine must be a node of "
                "it: `ray start --address=HOST:PORT` makes it one, with `--num-cpus=0` if it should not "
                "execute runs",
                "address",
            ) from error
        self._connected_here = True
        _silence_dumps()


def _silence_dumps() -> None:
    """Stop Ray from printing the end of a lost node's log, for which it has no option."""
    worker = sys.modules.get("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):
        setattr(worker, "print_to_stdstream", lambda *_, **__: None)  # noqa: B010 - not declared


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise BakeoffError(
            f"the engine 'ray' needs Ray, which is not installed ({error}); in a copy of the repository: "
            "pip install -c constraints.txt '.[ray]'",
            "engine",
        ) from error
    return ray


def _check_address(address: str) -> None:
    """Check that a server listens at the address: Ray itself would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "//" in address or not host or not port.isdecimal():
        raise BakeoffError(
            f"the address is {shorten(address)}; expected HOST:PORT of a Ray cluster, such as 10.0.0.1:6379, "
            "or auto for the one on this machine",
            "address",
        )
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError) as error:
        raise BakeoffError(
            f"nothing answers at {address} ({error}); expected the address that `ray start --head` printed "
            "for other nodes",
            "address",
        ) from error
