"""A user's own model whose layers the kernels take: killed and resumed, and beside PyTorch's operations."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.system.commands import bakeoff
from tests.system.test_killed_studies import contents

NETS = """
import torch.nn.functional as F
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, image_size):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(8 * (image_size // 4) ** 2, num_classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.first(x))), 2)
        x = F.max_pool2d(F.relu(x + self.second(x)), 2)
        return self.last(self.drop(x.flatten(1)))
"""

STUDY = """
name = "mine"
seeds = 1
[recipes.mine]
model = "nets:Net"
epochs = 60
optimizer = { name = "sgd", lr = 0.02, momentum = 0.9 }
"""

RUN = """
import json, bakeoff, nets
study = bakeoff.load_study("quickstart", epochs=4, seeds=1, recipes=["lenet5"])
sgd = {"name": "sgd", "lr": 0.05, "momentum": 0.9}
mine = study.recipes["lenet5"].changed(model=nets.Net, optimizer=sgd, batch_size=2000)
result = bakeoff.run(study.changed(name="mine", recipes={"lenet5": mine}), "study", progress=False)
print(json.dumps(result.history[["train_loss", "val_loss"]].to_numpy().tolist()))
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two, with the user's files in each."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nets.py").write_text(NETS)
        (tmp_path / name / "mine.toml").write_text(STUDY)
    return tmp_path / "one", tmp_path / "other"


def check_captured(folder: Path) -> None:
    environment = json.loads((folder / "study/environment.json").read_text())
    assert "not_captured" not in environment


@pytest.mark.slow
def test_a_study_killed_in_the_middle_ends_as_one_that_was_not(folders):
    whole, killed = folders
    words = ("run", "mine.toml", "--jobs", "1", "--no-check", "--out", "study")
    bakeoff(*words, folder=whole)
    check_captured(whole)
    process = subprocess.Popen(
        [sys.executable, "-m", "bakeoff", *words],
        cwd=killed,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    run = killed / "study/runs/mine/seed-0"
    while not (run / "unfinished.state").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run / "predictions.npz").exists()
    bakeoff(*words, folder=killed)
    assert contents(killed) == contents(whole)


def test_sgd_has_the_same_losses_with_kernels_and_without(folders):
    """In each of four steps, which are epochs of one batch, to rounding; and their bytes differ.

    The rounding is PyTorch's: beside float64, its gradients were 1e-4 to 2e-3 off, those of kernels 3e-7.
    """
    losses = []
    for folder, kernels in zip(folders, ("auto", "off"), strict=True):
        done = subprocess.run(
            [sys.executable, "-c", RUN],
            cwd=folder,
            env={**os.environ, "BAKEOFF_KERNELS": kernels},
            capture_output=True,
            text=True,
            check=True,
        )
        losses.append(np.array(json.loads(done.stdout.splitlines()[-1])))
    check_captured(folders[0])
    with_kernels, without = losses
    assert with_kernels.shape == (4, 2)
    assert len(np.unique(with_kernels[:, 0])) == 4
    np.testing.assert_allclose(with_kernels, without, rtol=1e-3)
    assert not np.array_equal(with_kernels, without)
