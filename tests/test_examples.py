"""Every script in examples/ runs as it stands, from another folder, and says what it found."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # real processes, one after another

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "own_recipes.py": r"dropout.*(undecided|worse|better|equivalent)",
    "own_images.py": r"report: .*index\.html",
    "own_model.py": r"two_layers_wide: top-3 accuracy 0\.\d+",
}


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


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
