"""The environment of a study, as the interpreter and the system say it themselves."""

import json
import os
import subprocess
import sys

import torch

from bakeoff.environment import PACKAGES, available_cores, describe_environment


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
