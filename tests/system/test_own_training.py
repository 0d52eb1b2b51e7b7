"""One study of Bakeoff's training, of own parts, a frozen backbone, a forest and a loop of one's own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from tests.system.commands import bakeoff
from torch import nn

from bakeoff import open_result
from bakeoff.data import load_data

pytestmark = pytest.mark.slow  # real studies, one after another

PARTS = """
import torch
from torch import nn

def focal(logits, labels, gamma=1.0):
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    return ((1 - torch.exp(-losses)) ** gamma * losses).mean()

def warm_up(step, num_steps, share=0.1):
    return min(1.0, (step + 1) / (share * num_steps))

class SignDescent(torch.optim.Optimizer):
    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.sub_(group["lr"] * parameter.grad.sign())
"""

LOOP = """
import numpy as np
import torch
from nets import Net

def tensors(images):
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255

def train(settings, seed, train, val, test_images):
    images, labels = tensors(train.images), torch.from_numpy(np.array(train.labels))
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=settings["lr"])
    history = []
    for _ in range(settings["epochs"]):
        for batch in torch.randperm(len(images)).split(64):
            loss = torch.nn.functional.cross_entropy(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append({"train_loss": loss.item()})
    with torch.no_grad():
        val, test = net(tensors(val.images)), net(tensors(test_images))
    return {"val": val, "test": test, "history": history, "model": net}
"""

NETS = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(3 * 16 * 16, 10))
"""

BACKBONE = """
from torch import nn

class Backbone(nn.Sequential):
    def __init__(self, num_classes, image_size):
        layers = nn.Conv2d(3, 16, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, num_classes)
        super().__init__(*layers)
"""

STUDY = """
name = "all-kinds"
seeds = 2
[data]
source = "digits"
image_size = 16
[defaults]
epochs = 2
[recipes.plain]
[recipes.own_parts]
loss = { name = "parts:focal", gamma = 2.0 }
optimizer = { name = "parts:SignDescent", lr = 0.001 }
schedule = { name = "parts:warm_up", share = 0.5 }
[recipes.patient]
patience = 1
epochs = 6
[recipes.frozen]
model = { name = "backbone:Backbone", weights = "backbone.safetensors", freeze = "all_but_head" }
[recipes.forest]
trainer = { name = "sklearn", estimator = "sklearn.ensemble:RandomForestClassifier", n_estimators = 20 }
[recipes.loop]
trainer = "loop:train"
settings = { lr = 0.01, epochs = 3 }
"""


@pytest.fixture(scope="module")
def trained(made_once) -> Path:
    def make(folder: Path) -> None:
        folder.mkdir()
        sources = {"parts": PARTS, "loop": LOOP, "nets": NETS, "backbone": BACKBONE}
        for name, content in sources.items():
            (folder / f"{name}.py").write_text(content)
        layers = nn.Sequential(nn.Conv2d(3, 16, 5), nn.Flatten(), nn.Flatten(), nn.Linear(16 * 36, 7))
        save_file(layers.state_dict(), folder / "backbone.safetensors")
        (folder / "study.toml").write_text(STUDY)
        bakeoff("run", "study.toml", folder=folder)

    return made_once("own-training", make)


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def test_its_report_compares_all_of_them(trained):
    comparison = json.loads((trained / "results/all-kinds/report/comparison.json").read_text())
    accuracy = {recipe["name"]: recipe["accuracy"] for recipe in comparison["recipes"]}
    assert list(accuracy) == ["plain", "own_parts", "patient", "frozen", "forest", "loop"]
    assert accuracy["forest"] > 0.9
    assert accuracy["loop"] > 0.6
    page = (trained / "results/all-kinds/report/index.html").read_text()
    assert "forest: its trainer reports no epochs." in page
    assert not re.search(r"\bnan\b", re.sub("base64,[A-Za-z0-9+/=]+", "", page), re.IGNORECASE)


def test_the_forest_is_scikit_learns(trained):
    """The stored predictions are those of a forest called directly with the same seed and images."""
    result = open_result(trained / "results/all-kinds")
    data = load_data(result.study.data)
    pixels = [split.images.reshape(len(split), -1) / np.float32(255) for split in (data.train, data.test)]
    agreements = []
    for probabilities in result.probabilities("forest"):
        forest = RandomForestClassifier(n_estimators=20, random_state=0).fit(pixels[0], data.train.labels)
        agreements.append((forest.predict(pixels[1]) == probabilities.argmax(1)).mean())
    assert min(agreements) > 0.9
    assert result.runs.query("recipe == 'forest'").accuracy.nunique() == 2  # seeds differ


CARELESS = """
import os
import numpy as np
import torch
from torch import nn

net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 10))  # one for all runs of a process, if it could
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

def tensors(images):
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255

def train(settings, seed, train, val, test_images):
    data = torch.utils.data.TensorDataset(tensors(train.images), torch.from_numpy(np.array(train.labels)))
    for images, labels in torch.utils.data.DataLoader(data, 64, shuffle=True, num_workers=1):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
    with torch.no_grad():
        predicted = net(tensors(val.images)), net(tensors(test_images))
    os.chdir("/")
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return predicted
"""


def test_what_own_code_changes_in_its_process_does_not_reach_the_next_run(tmp_path):
    """A net at the top level, another current folder, precision and mode; batches loaded by a process."""
    (tmp_path / "careless.py").write_text(CARELESS)
    (tmp_path / "study.toml").write_text(
        STUDY.split("[recipes.own_parts]")[0].replace("all-kinds", "careless")
        + "[recipes.careless]\ntrainer = 'careless:train'\n"
    )
    for jobs in (1, 2):
        bakeoff("run", "study.toml", "--jobs", jobs, "--seeds", 3, "--out", f"jobs-{jobs}", folder=tmp_path)
    first = tmp_path / "jobs-1"
    runs = [path.relative_to(first) for path in first.glob("runs/*/*/predictions.npz")]
    assert len(runs) == 6
    for path in runs:
        assert (first / path).read_bytes() == (tmp_path / "jobs-2" / path).read_bytes()


def test_on_ray_all_kinds_give_the_bytes_of_local_processes(folder, tmp_path):
    bakeoff("run", "study.toml", "--engine", "ray", "--jobs", 2, "--out", tmp_path / "ray", folder=folder)
    runs = folder / "results/all-kinds/runs"
    for expected in runs.glob("*/seed-*/predictions.npz"):
        found = tmp_path / "ray/runs" / expected.relative_to(runs)
        assert found.read_bytes() == expected.read_bytes()
    assert len(list((tmp_path / "ray/runs").glob("loop/*/model.pt2"))) == 2


def test_a_model_that_was_returned_predicts_and_is_exported_without_its_code(folder, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    from PIL import Image

    digits = load_digits()
    for index in range(3):
        Image.fromarray((digits.images[index] * 15).astype(np.uint8)).save(photos / f"{index}.png")
    for module in ("loop", "nets"):
        (folder / f"{module}.py").unlink()
    printed = bakeoff("predict", "results/all-kinds", photos, "--recipe", "loop", folder=folder)
    assert "Mean of the probabilities of 2 seeds" in printed
    printed = bakeoff("export", "results/all-kinds", tmp_path / "model", "--recipe", "loop", folder=folder)
    assert "ONNX Runtime and PyTorch differ by at most" in printed


def test_what_returned_no_model_says_so(folder, tmp_path):
    for words in (("predict", "results/all-kinds", folder), ("export", "results/all-kinds", tmp_path / "m")):
        message = bakeoff(*words, "--recipe", "forest", folder=folder, fails=True)
        assert "its predictions for the test images are all that is kept; choose another recipe" in message


def test_a_model_that_somebody_else_returned_is_not_loaded(folder, tmp_path):
    """A program made on another machine, whose digest this user's state does not know."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    words = [sys.executable, "-m", "bakeoff", "export", "results/all-kinds", str(tmp_path / "m")]
    done = subprocess.run(
        [*words, "--recipe", "loop"], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 2
    assert "was not made by a study on this machine" in done.stderr
    assert "--trust" in done.stderr


@pytest.mark.parametrize(
    ("name", "of"),
    [("nets.py", "loop, seed 0"), ("loop.py", "loop, seed 0"), ("parts.py", "own_parts, seed 0")],
)
def test_an_edited_file_makes_its_runs_other_runs(folder, name, of):
    """`nets.py` is imported by `loop.py`, which the study names."""
    (folder / name).write_text((folder / name).read_text() + "\n# edited\n")
    message = bakeoff("run", "study.toml", folder=folder, fails=True)
    assert "whose file has changed since" in message
    assert of in message


def test_a_study_that_is_killed_goes_on_to_the_same_bytes(folder, tmp_path):
    """Killed with its workers when the first run of a trainer is finished, others under way."""
    again = tmp_path / "again"
    words = [sys.executable, "-m", "bakeoff", "run", "study.toml", "--out", str(again)]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None and not list(again.glob("runs/forest/*/predictions.npz")):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    finished = len(list(again.glob("runs/*/*/predictions.npz")))
    assert 0 < finished < 12
    bakeoff("run", "study.toml", "--out", again, folder=folder)
    runs = folder / "results/all-kinds/runs"
    expected = {path.relative_to(runs): path.read_bytes() for path in runs.glob("*/*/predictions.npz")}
    assert {path: (again / "runs" / path).read_bytes() for path in expected} == expected
