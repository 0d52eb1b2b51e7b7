"""Which engine the command line's options ask for."""

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
    """An engine, until the end of the block.

    Parameters
    ----------
    name
        "processes" for this machine, or "ray" for a cluster.
    device
        "cpu", "cuda", or "auto": the GPU of this machine where PyTorch finds one, else the CPU.
    jobs
        Runs that go on at once on CPUs; by default one a core.
    address
        Of a Ray cluster, `HOST:PORT`, or "auto" for the one on this machine; by default a Ray of this machine
        alone is started.
    num_runs
        That it may be given at once: worker processes for so many start now, and load what they need while
        the caller reads images; others start when `do` needs them.

    Raises
    ------
    BakeoffError
        If the engine or the device is unknown or not there, or an option is of another engine.
    """
    if name not in ENGINES:
        raise BakeoffError(f"engine {shorten(name)} is unknown; expected {', '.join(ENGINES)}")
    if device not in DEVICES:
        raise BakeoffError(f"device {shorten(device)} is unknown; expected {', '.join(DEVICES)}")
    if name == "ray":
        if device == "cuda":
            raise BakeoffError("runs on a Ray cluster train on CPUs; leave out --device cuda or --engine ray")
        from bakeoff.engines.ray.cluster import RayEngine

        with RayEngine(address, jobs) as engine:
            yield engine
    elif address is not None:
        raise BakeoffError("--address is of a Ray cluster; give --engine ray with it")
    else:
        chosen = _on_this_machine(device, jobs)
        if not isinstance(chosen, ProcessEngine):
            yield chosen
            return
        with chosen:
            chosen.start(num_runs)
            yield chosen


def _on_this_machine(device: str, jobs: int | None) -> Engine:
    if device == "cuda" and jobs is not None:
        raise BakeoffError(
            f"--jobs {jobs} is for worker processes on the CPU; leave it out with --device cuda"
        )
    if device == "cpu" or jobs is not None:
        return ProcessEngine(jobs)
    from bakeoff.engines.stacked import StackedEngine

    if device == "auto":
        import torch

        if not torch.cuda.is_available():
            return ProcessEngine()
    return StackedEngine("cuda")
