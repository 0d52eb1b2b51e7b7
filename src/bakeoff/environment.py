"""The environment of a study: versions, processor, threads, kernels."""

from __future__ import annotations

import math
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
    """The number of cores that this process may use: its affinity, or its container's quota, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota = cpu_quota()
    except (OSError, ValueError):  # not Linux, or a sandbox whose files are its own
        return cores
    return max(1, math.ceil(min(cores, quota)))


def cpu_quota(root: Path = Path("/")) -> float:
    """The processor time that the control groups of this process allow, in cores; infinite without a limit.

    Parameters
    ----------
    root
        The folder with `proc` and `sys`.

    Raises
    ------
    OSError, ValueError
        If the system does not describe the groups of a process as Linux does.
    """
    groups = {}  # path of the process's group by controller; "" is version 2, which has one tree for all
    for membership in (root / "proc/self/cgroup").read_text("utf-8", errors="replace").splitlines():
        _, controllers, path = membership.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    quotas = [math.inf]
    for mount in (root / "proc/self/mountinfo").read_text("utf-8", errors="replace").splitlines():
        place, _, kind = mount.partition(" - ")
        file_system, _, options = kind.split(" ", 2)
        controller = {"cgroup": "cpu", "cgroup2": ""}.get(file_system)
        if controller in groups and (not controller or controller in options.split(",")):
            shown, mounted_at = place.split(" ")[3:5]
            top = root / mounted_at.lstrip("/")
            # A container may see its own group as the top of the tree, and read its path as from outside.
            inside = Path(groups[controller])
            folder = top / (inside.relative_to(shown) if inside.is_relative_to(shown) else "")
            quotas += [_quota_of(group) for group in (folder, *folder.parents) if group.is_relative_to(top)]
    return min(quotas)


def _quota_of(group: Path) -> float:
    """The quota that one control group sets; infinite if it sets none."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text("ascii").split()
        else:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((group / name).read_text("ascii") for name in names)
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError):  # there is none, or it is "max"
        return math.inf


def _processor_name() -> str:
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
