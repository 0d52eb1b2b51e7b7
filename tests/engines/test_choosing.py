"""Which engine the options ask for."""

import subprocess
import sys

import pytest
import torch

from bakeoff.engines import ProcessEngine, open_engine
from bakeoff.engines.stacked import StackedEngine
from bakeoff.errors import BakeoffError
from bakeoff.study import load_study


def study(**changes):
    return load_study("quickstart", **{"seeds": 3, "epochs": 2, **changes})


def test_what_each_device_option_gives():
    with open_engine() as engine:
        assert isinstance(engine, ProcessEngine)
    with open_engine(device="auto", jobs=2) as engine:
        assert (type(engine), engine.num_workers) == (ProcessEngine, 2)
    with open_engine(device="auto") as engine:
        assert isinstance(engine, StackedEngine if torch.cuda.is_available() else ProcessEngine)
    for options, message, parameter in (
        ({"name": "slurm"}, "'slurm' is unknown; expected processes, ray", "engine"),
        ({"device": "gpu"}, "'gpu' is unknown; expected auto, cpu, cuda", "device"),
        ({"device": "cuda", "jobs": 2}, "jobs, 2, is for worker processes", "jobs"),
        ({"name": "ray", "device": "cuda"}, "the engine 'ray' trains on CPUs", "device"),
        ({"address": "auto"}, "choose the engine 'ray' with it", "address"),
    ):
        with pytest.raises(BakeoffError, match=message) as caught, open_engine(**options):
            pass
        assert caught.value.parameter == parameter
    with pytest.raises(BakeoffError, match="expected cuda or cpu"):
        StackedEngine("mps")
    with pytest.raises(BakeoffError, match="'nonsense' is unknown"):
        StackedEngine("nonsense")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_clear_message(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", "run", "--device", "cuda", "--out", str(tmp_path / "study")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no CUDA GPU here" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "study").exists()
