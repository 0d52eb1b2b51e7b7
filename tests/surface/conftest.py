"""A small real study in which everything occurs that a study folder can hold."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

STUDY = """
name = "surface"
seeds = 3
until = "decided"
max_seeds = 3
train_sizes = [100, 250]

[data]
source = "splits:images"
image_size = 16

[defaults]
batch_size = 16
epochs = 1

[tune]
trials = 2

[recipes.hardly_trained]
optimizer = { name = "sgd", lr = 0.01 }
search.optimizer.weight_decay = { choices = [1e-9, 2e-9, 3e-9] }

[recipes.trained]
model.batch_norm = true
optimizer.lr = 0.002
epochs = 2
search.optimizer.weight_decay = { choices = [1e-9, 2e-9, 3e-9] }

[recipes.diverges]
model.batch_norm = true
optimizer = { name = "sgd", lr = 1e9 }

[tests.again]
source = "splits:images"

[published.trained]
test_accuracy = 0.98
test_images = 1000
class_accuracies = { 0 = 0.99 }
train_loss = { 1 = 0.5 }
source = "made up"
"""


def write_digits(folder: Path) -> None:
    """Write handwritten digits as a `splits:` source in which there is something of everything to report.

    Among the training images 3 is the most frequent, so that hardly trained models predict it for every image
    and the recipes differ in what they confuse; one training image is empty. Some test images have a wrong
    label, and one is a training image again.
    """
    digits = load_digits()
    (folder / "splits").mkdir(parents=True)
    for split, indices in {"train": range(600), "val": range(600, 700), "test": range(700, 950)}.items():
        lines = []
        for index in indices:
            label = int(digits.target[index])
            if split == "train" and label != 3 and index % 3 == 0:
                continue
            if split == "test" and index % 28 == 0:
                label = (label + 1) % 10
            save_digit(digits.images[index], folder / f"{index}.png")
            lines.append(f"{index}.png {label}\n")
        if split == "train":
            save_digit(np.zeros((8, 8)), folder / "empty.png")
            lines.append("empty.png 0\n")
        if split == "test":
            save_digit(digits.images[1], folder / "again.png")
            lines.append("again.png 7\n")
        (folder / "splits" / f"{split}.txt").write_text("".join(lines))


def save_digit(grey: np.ndarray, path: Path) -> None:
    """Write one of scikit-learn's digits, 8 x 8 with values 0..16."""
    Image.fromarray(np.rint(grey * (255 / 16)).astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recipes, of which one diverges, with three seeds."""
    folder = tmp_path_factory.mktemp("surface")
    write_digits(folder / "images")
    (folder / "surface.toml").write_text(STUDY)
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", "run", "surface.toml", "--out", "study", "--jobs", "1"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr  # 1: some runs failed
    return folder / "study"
