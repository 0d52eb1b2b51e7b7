"""How the golden studies were written: once, by Bakeoff 0.1.0 (training version 4).

`python -m tests.golden.make NAME`, in the repository's root, refuses a study that is there: later code reads
these folders, it never writes them anew. With `--answers` it replaces what report, comparison and model card
say of one, for a statistic that was wrong: a decision, with its reason in the commit.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from tests.golden.commands import GOLDEN, ask, commands, run

PLAIN = """
name = "plain"
description = "LeNet-5 with and without batch normalization on handwritten digits"
seeds = 2
baseline = "lenet5"

[data]
source = "digits"
image_size = 16
test_fraction = 0.15
val_fraction = 0.5

[defaults]
model = "lenet5"
epochs = 4
batch_size = 64
optimizer = { name = "adam", lr = 0.002 }

[recipes.lenet5]

[recipes.lenet5_batch_norm]
model.batch_norm = true
"""

ROUNDS = """
name = "rounds"
description = "Small residual nets on handwritten digits, with seeds until decided"
seeds = 3
until = "decided"
max_seeds = 4

[data]
source = "digits"
image_size = 8
test_fraction = 0.1
val_fraction = 0.05

[defaults]
model = { name = "resnet", widths = [4, 6], blocks = [1, 1] }
epochs = 4
batch_size = 16
optimizer = { name = "adamw", lr = 0.01 }
schedule = { name = "cosine", warmup_epochs = 0.5 }

[recipes.resnet]

[recipes.jittered]
augmentation = { jitter_brightness = 0.2, jitter_contrast = 0.2 }
ema_decay = 0.8

[recipes.upside_down]
augmentation.custom = "upside_down:UpsideDown"
epochs = 6
checkpoint = "last"

[recipes.diverges]
optimizer = { name = "sgd", lr = 1e30 }

[published.resnet]
test_accuracy = 0.95
test_images = 1000
class_accuracies = { 0 = 0.99, 8 = 0.9 }
train_loss = { 1 = 1.2, 4 = 0.3 }
source = "Made up for this test"
"""

STUDIES = {"plain": PLAIN, "rounds": ROUNDS}
FAILED_RUNS = 1  # the exit code of a study that has some

REPORT_KEPT = ("summary.json", "comparison.json")


def write_study(name: str, folder: Path) -> None:
    """Run a study and ask all commands about it; everything is in the folder then."""
    (folder / "study.toml").write_text(STUDIES[name])
    shutil.copy(GOLDEN / "upside_down.py", folder)
    shutil.copytree(GOLDEN / "digits", folder / "digits")
    code = FAILED_RUNS if name == "rounds" else 0
    run(["-m", "bakeoff", "run", "study.toml", "--out", "study", "--jobs", "2"], folder, code=code)
    if name == "plain":
        # Half of its bytes, and a report does without them.
        for features in (folder / "study/runs").rglob("features.npz"):
            features.unlink()
    ask({folder: commands(name)})
    shutil.move(folder / "exported/README.md", folder / "model-card.md")


def keep(folder: Path, directory: Path) -> None:
    """Copy what the tests compare, and what a command reads of the study.

    No command reads the event files of TensorBoard, whose names hold that of the machine.
    """
    shutil.copytree(folder / "study", directory / "study", ignore=shutil.ignore_patterns("tensorboard", ".*"))
    for path in (directory / "study/report").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in REPORT_KEPT:
            path.unlink()
    for name in ("status.txt", "predictions.csv", "compare.json", "model-card.md"):
        shutil.copy(folder / name, directory)


def write_digits(directory: Path) -> None:
    """Twenty handwritten digits, 8 x 8 pixels."""
    directory.mkdir()
    images = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    for index in range(0, len(images), 90):
        Image.fromarray(images[index]).save(directory / f"{index}.png")


def replace_answers(directory: Path) -> None:
    """Ask again, and keep what is computed from the runs; the runs stay."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(directory / "study", folder / "study", ignore=shutil.ignore_patterns("report"))
        shutil.copytree(GOLDEN / "digits", folder / "digits")
        ask({folder: commands(directory.name)})
        for kept in REPORT_KEPT:
            shutil.copy(folder / "study/report" / kept, directory / "study/report")
        shutil.copy(folder / "compare.json", directory)
        shutil.copy(folder / "exported/README.md", directory / "model-card.md")


def main(name: str, *options: str) -> None:
    directory = GOLDEN / name
    if options == ("--answers",):
        return replace_answers(directory)
    if directory.exists():
        sys.exit(f"{directory} is there, and golden studies are never written anew")
    if not (GOLDEN / "digits").exists():
        write_digits(GOLDEN / "digits")
    with tempfile.TemporaryDirectory() as folder:
        write_study(name, Path(folder))
        keep(Path(folder), directory)


if __name__ == "__main__":
    main(*sys.argv[1:])
