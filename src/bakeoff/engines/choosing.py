"""Which engine the command line's options ask for."""

from __future__ import annotations

from bakeoff.engines.processes import ProcessEngine
from bakeoff.engines.tasks import Engine
from bakeoff.errors import BakeoffError

DEVICES = ("auto", "cpu", "cuda")


def choose_engine(device: str = "cpu", jobs: int | None = None) -> Engine:
    """Worker processes on the CPU, or stacked runs on a GPU.

    Parameters
    ----------
    device
        "cpu", "cuda", or "auto": the GPU where PyTorch finds one, else the CPU.
    jobs
        Worker processes; of a CPU alone.

    Raises
    ------
    BakeoffError
        If the device is unknown or not there, or has no worker processes.
    """
    if device not in DEVICES:
        raise BakeoffError(f"device {device!r} is unknown; expected {', '.join(DEVICES)}")
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
