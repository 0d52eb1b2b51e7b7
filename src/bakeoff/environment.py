"""The environment of a study: versions, processor, threads, kernels."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("bakeoff", "torch", "numpy", "scipy", "scikit-learn", "pillow")


def describe_environment(num_workers: int, device: str = "cpu") -> dict[str, Any]:
    """Describe versions, processor, threads and device, as stored in environment.json."""
    from bakeoff.kernels import describe_kernels

    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor_name(),
        "cores": available_cores(),
        "workers": num_workers,
        "threads_per_run": 1,
        "device": device,
        "kernels": describe_kernels(),
    }


def available_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor_name() -> str:
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
