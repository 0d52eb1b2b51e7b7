"""The package's own build: with a compiler, with the compiler hidden, and editable."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from bakeoff.kernels.compile import find_compiler, instruction_sets
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


@pytest.mark.slow
def test_a_repaired_wheel_brings_the_kernels_to_machines_without_a_compiler(checkout, no_compiler, tmp_path):
    """As docs/releasing.md says; the new environment has the dependencies of this one."""
    if not (find_compiler() and runnable() and sys.platform == "linux"):
        pytest.skip("wheels with kernels are built on Linux with a compiler")
    tools = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist"], tools, checkout)
    (built,) = (tmp_path / "dist").glob("*.whl")
    run(["auditwheel", "repair", "--wheel-dir", tmp_path / "wheelhouse", built], tools, tmp_path)
    (wheel,) = (tmp_path / "wheelhouse").iterdir()
    assert "manylinux" in wheel.name
    assert wheel.stat().st_size < 10e6
    with zipfile.ZipFile(wheel) as archive:
        libraries = {Path(name).stem for name in archive.namelist() if name.endswith(".so")}
    assert libraries == {f"conv_pool_{name}" for name in instruction_sets()}

    environment = tmp_path / "environment"
    run([sys.executable, "-m", "venv", "--without-pip", environment], dict(os.environ), tmp_path)
    python = environment / "bin" / "python"
    words = ["--python", python, "install", "--no-deps", "--no-index", wheel]
    run([sys.executable, "-m", "pip", *words], no_compiler, tmp_path)
    (packages,) = environment.glob("lib/*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    clean = {
        name: value for name, value in no_compiler.items() if name not in ("PYTHONPATH", "BAKEOFF_KERNELS")
    }
    assert run([python, "-c", STEP], clean, tmp_path).stdout.strip() == runnable()[0]
    where = "import bakeoff; print(bakeoff.__file__)"
    assert str(packages) in run([python, "-c", where], clean, tmp_path).stdout


@pytest.mark.slow
def test_a_source_archive_builds_without_a_compiler(checkout, no_compiler, tmp_path):
    words = ["-m", "build", "--no-isolation", "--sdist", "--outdir", tmp_path / "dist"]
    run([sys.executable, *words], dict(os.environ), checkout)
    (archive,) = (tmp_path / "dist").iterdir()
    shutil.unpack_archive(archive, tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    name, content, said = build_wheel(source, no_compiler)
    assert "kernels not built: no C++ compiler found" in said
    assert name.endswith("-py3-none-any.whl")
    assert (content / "bakeoff/kernels/cpp/conv_pool.cpp").is_file()
