"""Opening the requested engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bakeoff.engines.engine import Engine
from bakeoff.engines.processes import ProcessEngine
from bakeoff.errors import BakeoffError
from bakeoff.text import shorten

ENGINES = ("processes", "ray")
DEVICES = ("auto", "cpu", "cuda")


@contextmanager
def open_engine(
    name: str = "processes",
    *,
    device: str = "cpu",
    jobs: int | None = None,
    address: str | None = None,
    num_runs: int = 0,
) -> Iterator[Engine]:
    """Open an engine for the duration of a `with` block.

    Parameters
    ----------
    name
        "processes" for this machine, or "ray" for a cluster.
    device
        "cpu", "cuda", or "auto": the GPU of this machine if PyTorch finds one, else the CPU.
    jobs
        Runs at the same time on CPUs; by default one per core.
    address
        Of a Ray cluster, `HOST:PORT`, or "auto" for the one on this machine; by default Ray is started on
        this machine.
    num_runs
        The number of runs to expect: worker processes for them start now and load PyTorch while the caller
        reads images; others start when `do` needs them.

    Raises
    ------
    BakeoffError
        If the engine or the device is unknown or unavailable, or an option belongs to another engine.
    """
    if name not in ENGINES:
        raise BakeoffError(f"engine {shorten(name)} is unknown; expected {', '.join(ENGINES)}", "engine")
    if device not in DEVICES:
        raise BakeoffError(f"device {shorten(device)} is unknown; expected {', '.join(DEVICES)}", "device")
    if name == "ray":
        if device == "cuda":
            raise BakeoffError(
                "the engine 'ray' trains on CPUs; choose the device 'cpu' or the engine 'processes'", "device"
            )
        from bakeoff.engines.ray.cluster import RayEngine

        with RayEngine(address, jobs) as engine:
            yield engine
    elif address is not None:
        raise BakeoffError("the address is that of a Ray cluster; choose the engine 'ray' with it", "address")
    else:
        local_engine = _local_engine(device, jobs)
        if not isinstance(local_engine, ProcessEngine):
            yield local_engine
            return
        with local_engine:
            local_engine.start(num_runs)
            yield local_engine


def _local_engine(device: str, jobs: int | None) -> Engine:
    if device == "cuda" and jobs is not None:
        raise BakeoffError(
            f"the number of jobs, {jobs}, is for worker processes on the CPU; leave it out with the device "
            "'cuda'",
            "jobs",
        )
    if device == "cpu" or jobs is not None:
        return ProcessEngine(jobs)
    from bakeoff.engines.stacked import StackedEngine

    if device == "auto":
        import torch

        if not torch.cuda.is_available():
            return ProcessEngine()
    return StackedEngine("cuda")
