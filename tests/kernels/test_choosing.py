"""Which kernels a process uses: the processor's, the environment variable's, or none and why."""

import os
import platform
import subprocess
import sys

import pytest
from tests.kernels.built import FOLDER, IMPLEMENTATIONS, LIBRARIES, PROBLEMS

from bakeoff.environment import describe_environment
from bakeoff.kernels import compile as compiling
from bakeoff.kernels import describe_kernels
from bakeoff.kernels.compile import find_compiler, instruction_sets, library_path, source_digest
from bakeoff.kernels.library import SWITCH, Library, load, runnable, using


def describe_in_a_new_process(**variables):
    inherited = {name: value for name, value in os.environ.items() if name != SWITCH}
    done = subprocess.run(
        [sys.executable, "-c", "from bakeoff.kernels import describe_kernels; print(describe_kernels())"],
        capture_output=True,
        text=True,
        check=False,
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_every_instruction_set_of_this_machine_is_built_where_there_is_a_compiler():
    if find_compiler():
        assert not PROBLEMS
        assert set(LIBRARIES) == {*runnable(), "neon"}
    else:
        assert PROBLEMS
        assert not LIBRARIES


def test_what_is_used_stands_in_the_environment_of_a_study():
    for choice in IMPLEMENTATIONS.values():
        with using(choice):
            expected = choice.instruction_set if isinstance(choice, Library) else f"none: {choice}"
            assert describe_kernels() == expected
            assert describe_environment(1)["kernels"] == expected


def test_the_environment_variable_switches_them_off():
    assert describe_in_a_new_process(BAKEOFF_KERNELS="off") == "none: switched off by BAKEOFF_KERNELS"


def test_the_environment_variable_is_checked():
    found = describe_in_a_new_process(BAKEOFF_KERNELS="mmx")
    assert "BAKEOFF_KERNELS is 'mmx'; on this processor it can be auto, off" in found


def test_pytorch_decides_what_the_processor_has():
    """Its own variable holds PyTorch back, and the kernels with it."""
    if instruction_sets() == ("avx512", "avx2"):
        assert not describe_in_a_new_process(ATEN_CPU_CAPABILITY="avx2").startswith("avx512")
        assert describe_in_a_new_process(ATEN_CPU_CAPABILITY="default") == "none: none for this processor"


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("x86_64", ("avx512", "avx2")),
        ("AMD64", ("avx512", "avx2")),
        ("arm64", ("neon",)),
        ("aarch64", ("neon",)),
        ("riscv64", ()),
        ("armv7l", ()),
    ],
)
def test_instruction_sets_of_machines(machine, expected):
    assert instruction_sets(machine) == expected
    assert instruction_sets() == instruction_sets(platform.machine())


@pytest.mark.needs("compiler")
def test_a_library_of_another_source_is_not_used(tmp_path):
    for name in LIBRARIES:
        content = library_path(FOLDER, name).read_bytes()
        assert source_digest().encode() in content
        library_path(tmp_path, name).write_bytes(content.replace(source_digest().encode(), b"0" * 16))
        assert load(name, tmp_path) == "built from another version of the source; install bakeoff again"


def test_what_is_no_library_is_said_and_not_used(tmp_path):
    assert load("avx2", tmp_path) == "not built when bakeoff was installed"
    library_path(tmp_path, "avx2").write_bytes(b"no library")
    found = load("avx2", tmp_path)
    assert isinstance(found, str)
    assert found.startswith("cannot be loaded: ")


def test_a_compiler_that_fails_is_a_line_and_no_error(tmp_path, monkeypatch):
    if not instruction_sets():
        return
    for compiler, expected in {
        "false": "the compiler failed",
        "/no/such/compiler": "no C++ compiler found (CXX, c++, g++, clang++)",
    }.items():
        monkeypatch.setenv("CXX", compiler)
        libraries, problems = compiling.build(tmp_path)
        assert libraries == []
        assert all(expected in problem for problem in problems)
        assert problems
        assert list(tmp_path.iterdir()) == []
