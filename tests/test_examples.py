"""Every script in examples/ runs as it stands, from another folder, and says what it found."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff import open_result

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "own_recipes.py": r"dropout.*(undecided|worse|better|equivalent)",
    "own_images.py": r"report: .*index\.html",
    "own_model.py": r"two_layers_wide: top-3 accuracy 0\.\d+",
}


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.slow  # real processes, one after another
@pytest.mark.parametrize("name", sorted(SAYS))
def test_example(name, tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), str(tmp_path / "study")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "error::FutureWarning"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(SAYS[name], done.stdout), done.stdout


@pytest.mark.long  # where Lightning and Keras are installed
def test_trainers_with_other_libraries(tmp_path):
    folder = shutil.copytree(EXAMPLES / "trainers", tmp_path / "trainers")
    (folder / "study.toml").write_text(
        """
        name = "libraries"
        seeds = 2
        [data]
        source = "digits"
        image_size = 16
        [recipes.lightning]
        trainer = "lightning_net:train"
        settings = { epochs = 3, lr = 0.003 }
        [recipes.keras]
        trainer = "keras_net:train"
        settings = { epochs = 3, lr = 0.003 }
        """
    )
    for words in (["run", "study.toml"], ["export", "results/libraries", "net", "--recipe", "lightning"]):
        subprocess.run([sys.executable, "-m", "bakeoff", *words], cwd=folder, check=True)
    accuracies = open_result(folder / "results/libraries").runs.accuracy
    assert accuracies.min() > 0.85
    assert accuracies.nunique() > 2  # seeds differ
    for name in ("lightning_net.py", "keras_net.py"):
        assert len((folder / name).read_text().splitlines()) <= 40
