"""The environment of a study, as the interpreter and the system say it themselves."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bakeoff.environment import PACKAGES, available_cores, cpu_quota, describe_environment


def test_versions_are_those_that_are_imported() -> None:
    found = describe_environment(3, "cpu")
    assert json.loads(json.dumps(found)) == found
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"].keys() == set(PACKAGES)
    assert torch.__version__.startswith(found["packages"]["torch"].partition("+")[0])
    assert (found["workers"], found["device"], found["threads_per_run"]) == (3, "cpu", 1)
    assert found["processor"]


def test_cores_are_those_that_the_process_may_use() -> None:
    code = "from bakeoff.environment import available_cores; print(available_cores())"
    if hasattr(os, "sched_getaffinity"):
        one = min(os.sched_getaffinity(0))
        code = f"import os; os.sched_setaffinity(0, {{{one}}}); {code}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "1"
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = (
    "30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "31 30 0:27 {root} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 {root} /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory\n"
)
V1_GROUP = "5:memory:/docker/4f\n4:cpu,cpuacct:/docker/4f\n1:name=systemd:/docker/4f\n"


@pytest.mark.parametrize(
    ("mounts", "groups", "files", "quota"),
    [
        (V2, "0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),  # Docker, in a name space of its own
        (V2, "0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        (V2, "0::/\n", {}, math.inf),  # the top of a machine's tree
        (V2, "0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "200000 100000\n"}, 0.5),
        (
            V1.format(root="/docker/4f"),  # Docker: the group is mounted as the top, its path is from outside
            V1_GROUP,
            {"cpu,cpuacct/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        (
            V1.format(root="/"),
            V1_GROUP,
            {
                "cpu,cpuacct/docker/4f/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/docker/4f/cpu.cfs_period_us": "100000\n",
                "cpu,cpuacct/docker/cpu.cfs_quota_us": "25000\n",
                "cpu,cpuacct/docker/cpu.cfs_period_us": "50000\n",
            },
            0.5,
        ),
        (V1.format(root="/other"), V1_GROUP, {}, math.inf),
    ],
)
def test_the_quota_is_the_smallest_of_the_groups_above_a_process(tmp_path, mounts, groups, files, quota):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(mounts)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        (tmp_path / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / name).write_text(content)
    assert cpu_quota(tmp_path) == quota


@pytest.mark.skipif(
    not os.access("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", os.W_OK),
    reason="needs control groups of version 1 that this user may write",
)
def test_cores_are_those_of_a_real_quota() -> None:
    group = Path(f"/sys/fs/cgroup/cpu/bakeoff-test-{os.getpid()}")
    group.mkdir()
    try:
        (group / "cpu.cfs_quota_us").write_text("40000")  # of 100000: less than a core
        code = (
            f"import os; open('{group}/tasks', 'w').write(str(os.getpid()))\n"
            "from bakeoff.environment import available_cores, cpu_quota\n"
            "print(cpu_quota(), available_cores())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "0.4 1\n"
    finally:
        group.rmdir()
