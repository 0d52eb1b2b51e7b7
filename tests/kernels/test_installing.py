"""The package's own build: with a compiler, with the compiler hidden, and editable."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bakeoff.kernels.compile import find_compiler
from bakeoff.kernels.library import runnable

ROOT = Path(__file__).parents[2]
STEP = """
import torch
from bakeoff.kernels import describe_kernels
from bakeoff.models import LeNet5
model = LeNet5(10, 32, batch_norm=True)
model(torch.randn(5, 3, 32, 32)).square().sum().backward()
assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
print(describe_kernels())
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of what a checkout holds, without anything built in it."""
    folder = tmp_path / "checkout"
    built = shutil.ignore_patterns("__pycache__", "*.so", "*.dylib", "*.dll")
    shutil.copytree(ROOT / "src", folder / "src", ignore=built)
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def no_compiler(tmp_path):
    """An environment whose path holds nothing at all."""
    (tmp_path / "empty").mkdir()
    hidden = {name: value for name, value in os.environ.items() if name != "CXX"}
    return {**hidden, "PATH": str(tmp_path / "empty")}


def run(command, environment, cwd):
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def build_wheel(checkout, environment):
    """Its name, a folder with its content, and what the build said."""
    words = ["wheel", "-v", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    folder = checkout.parent
    done = run([sys.executable, "-m", "pip", *words, "-w", folder / "wheels", checkout], environment, folder)
    (wheel,) = (checkout.parent / "wheels").iterdir()
    content = checkout.parent / "content"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(content)
    return wheel.name, content, done.stdout + done.stderr


def kernels_used(folder, cwd):
    """What a new process that imports the package from the folder uses, after a training step."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment.pop("BAKEOFF_KERNELS", None)
    return run([sys.executable, "-c", STEP], environment, cwd).stdout.strip()


@pytest.mark.slow
def test_a_wheel_with_a_compiler_has_the_kernels_and_the_platforms_tag(checkout, tmp_path):
    name, content, _ = build_wheel(checkout, dict(os.environ))
    if find_compiler() and runnable():
        assert "-py3-none-" in name
        assert not name.endswith("-any.whl")
        assert kernels_used(content, tmp_path) == runnable()[0]
        metadata = next(content.glob("*.dist-info/WHEEL")).read_text()
        assert "Root-Is-Purelib: false" in metadata
    else:
        assert name.endswith("-py3-none-any.whl")
        assert kernels_used(content, tmp_path).startswith("none: ")


def test_without_a_compiler_the_package_installs_says_so_and_works(checkout, no_compiler, tmp_path):
    name, content, said = build_wheel(checkout, no_compiler)
    assert "kernels not built: no C++ compiler found" in said
    assert name.endswith("-py3-none-any.whl")
    assert "not built when bakeoff was installed" in kernels_used(content, tmp_path)


@pytest.mark.slow
def test_an_editable_install_has_the_kernels_next_to_the_source(checkout, tmp_path):
    backend = "from hatchling import build; build.build_editable('.')"
    run([sys.executable, "-c", backend], dict(os.environ), checkout)
    expected = runnable()[0] if find_compiler() and runnable() else "none: "
    assert kernels_used(checkout / "src", tmp_path).startswith(expected)
