"""Odd surroundings, in real processes: a command works there, or says in one line what to do."""

import errno
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from bakeoff.terminal.tables import shortened

BAKEOFF = [sys.executable, "-m", "bakeoff"]
SMALL = ["--recipes", "lenet5", "--epochs", "1", "--set", "data.image_size=16", "--jobs", "1"]
RUN = ["run", "quickstart", *SMALL, "--seeds", "2", "--out", "study"]
NAMELESS = ["unshare", "--map-user=4242", "--map-group=4242"]
"""Runs a command as a user id that has no name; the files of the tests belong to it."""
PERSONAL = ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "BAKEOFF_CACHE")


def execute(words, cwd, *, code=0, text=None, encoding="utf-8", unset=(), **variables):
    """Run a program to its end, and see that it gave no traceback, and nothing else that nobody asked for."""
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"COLUMNS": "1000", **variables}
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, env=environment, input=text, encoding=encoding, capture_output=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    if code == 0:
        assert done.stderr == ""
    else:
        assert done.stderr.startswith("error: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
    return done


def bakeoff(*words, cwd, under=(), **how):
    return execute([*under, *BAKEOFF, *words], cwd, **how)


def in_shell(command, cwd, **how):
    """Run a line of shell in which `bakeoff` stands for the command."""
    return execute(["bash", "-c", command.replace("bakeoff", shlex.join(BAKEOFF))], cwd, **how)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with images, whose classes have names in several scripts, and a study of them."""
    folder = tmp_path_factory.mktemp("finished")
    digits = load_digits()
    for label, name in enumerate(["größe", "数字", "عدد"]):
        (folder / "Fotos é 数" / name).mkdir(parents=True)
        for number, image in enumerate(digits.images[digits.target == label][:20]):
            pixels = (image * 15).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "Fotos é 数" / name / f"{number}.png")
    (folder / "study.toml").write_text(
        'name = "scripts"\ndescription = "± größe, 数字"\nseeds = 2\n[data]\nsource = "folder:Fotos é 数"\n'
        "image_size = 16\n[defaults]\nepochs = 1\n[recipes.lenet5]\n[recipes.lenet5_batch_norm.model]\n"
        "batch_norm = true\n"
    )
    bakeoff("run", "study.toml", "--no-check", "--jobs", "1", "--out", "study", cwd=folder)
    return folder


@pytest.mark.needs("namespaces")
def test_a_user_without_home_is_told_how_to_name_a_folder(tmp_path):
    done = bakeoff("data", "info", "digits", cwd=tmp_path, code=2, under=NAMELESS, unset=PERSONAL)
    assert "no home folder" in done.stderr
    assert "set the environment variable BAKEOFF_CACHE to a writable folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.needs("namespaces")
def test_a_user_without_name_and_home_who_named_a_folder(tmp_path):
    for words in (RUN, ["report", "study"], ["data", "info", "digits"]):
        bakeoff(*words, cwd=tmp_path, under=NAMELESS, unset=PERSONAL, BAKEOFF_CACHE="cache")


IN_PYTHON = """\
import bakeoff
study = bakeoff.load_study("quickstart", seeds=2, epochs=1, recipes=["lenet5"])
print(len(bakeoff.run(study.changed(data={"image_size": 16}), "study", jobs=1, progress=False).runs))
"""


@pytest.mark.parametrize(
    "words",
    [
        ["-"],
        pytest.param(["-c", IN_PYTHON], marks=pytest.mark.slow),
        pytest.param(["script.py"], marks=pytest.mark.slow),
    ],
)
def test_a_script_needs_no_guard_and_no_file(tmp_path, words):
    (tmp_path / "script.py").write_text(IN_PYTHON)
    done = execute([sys.executable, *words], tmp_path, text=IN_PYTHON)
    assert done.stdout == "2\n"


@pytest.mark.slow
def test_a_prompt_and_a_guarded_script_from_standard_input(tmp_path):
    guarded = 'if __name__ == "__main__":\n    ' + IN_PYTHON.replace("\n", "\n    ")
    assert execute([sys.executable, "-"], tmp_path, text=guarded).stdout == "2\n"
    prompt = "import sys; sys.ps1 = ''\n" + IN_PYTHON
    done = subprocess.run(
        [sys.executable, "-i"], cwd=tmp_path, input=prompt, capture_output=True, text=True, check=False
    )
    assert done.stdout == "2\n"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["bakeoff status study", "bakeoff studies", "bakeoff --help"])
def test_a_current_folder_that_was_deleted(tmp_path, command):
    done = in_shell(f"mkdir gone; cd gone; rmdir ../gone; {command}", tmp_path, code=2)
    assert done.stderr == "error: the current folder was deleted; change to another folder\n"


def test_the_current_folder_is_looked_for_in_python_too(tmp_path):
    run = "import bakeoff; bakeoff.run('quickstart')"
    done = subprocess.run(
        ["bash", "-c", f'mkdir gone; cd gone; rmdir ../gone; {sys.executable} -c "{run}"'],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    last_line = done.stderr.splitlines()[-1]
    assert (
        last_line == "bakeoff.errors.BakeoffError: the current folder was deleted; change to another folder"
    )


@pytest.mark.needs("namespaces")
def test_a_current_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o555)
    done = bakeoff("run", "quickstart", *SMALL, cwd=tmp_path, code=2, under=NAMELESS)
    remedy = "get the permission to write there or choose another folder"
    assert f"cannot write to results/quickstart: Permission denied; {remedy}" in done.stderr
    assert "--out DIR" in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", pytest.param("<&- >&- 2>&-", marks=pytest.mark.slow)])
def test_closed_streams_are_not_taken_by_files_that_libraries_then_write_to(tmp_path, closed):
    # libgomp complains of the variable, once it went into the pipe to a worker: the command waited forever
    in_shell(f"bakeoff {shlex.join(RUN)} {closed}", tmp_path, OMP_NUM_THREADS="all")
    assert len(list(tmp_path.rglob("predictions.npz"))) == 2


def test_a_command_whose_output_finds_no_room_says_so(finished):
    for command in ("studies", "show quickstart", "status study"):
        done = in_shell(f"bakeoff {command} > /dev/full", finished, code=2)
        assert done.stderr == "error: No space left on device; free some space\n"


def test_output_that_nobody_reads_ends_a_command_in_silence(finished):
    done = in_shell("bakeoff compare study | head -n 1", finished)
    assert done.stdout.startswith("Accuracy on")
    assert in_shell("bakeoff show quickstart >&-", finished).stdout == ""


def test_few_open_files_for_many_workers(tmp_path):
    many = ["run", "quickstart", *SMALL, "--seeds", "60", "--jobs", "60", "--out", "study"]
    done = in_shell(f"ulimit -n 40; bakeoff {shlex.join(many)}", tmp_path, code=2)
    assert "of 60: Too many open files; choose fewer jobs, or raise the limits" in done.stderr
    assert "--jobs N" in done.stderr
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_few_open_files_for_many_runs(tmp_path):
    run = ["run", "quickstart", *SMALL, "--seeds", "20", "--jobs", "2", "--out", "study"]
    in_shell(f"ulimit -n 24; bakeoff {shlex.join(run)}", tmp_path)
    assert len(list(tmp_path.rglob("predictions.npz"))) == 20


WITHOUT_LOCKS = """
import sys
from tests.faults.kernel import FLOCK, fail_always
from bakeoff.cli import main

fail_always(FLOCK, int(sys.argv.pop(1)))
main()
"""


@pytest.mark.needs("seccomp")
@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["report", "study"], errno.ENOLCK),
        pytest.param(["run", "study.toml", "--out", "new"], errno.EOPNOTSUPP, marks=pytest.mark.slow),
    ],
)
def test_a_file_system_without_locks(finished, tmp_path, words, error):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    path = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LOCKS, str(error), *words], cwd=folder, text=True, check=False,
        capture_output=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    study = words[-1]
    assert done.stderr == (
        f"{study}: this file system has no locks; do not start another command there from another machine\n"
    )
    assert not list(folder.rglob("*.soft"))
    assert (folder / study / "report/index.html").exists()


@pytest.mark.slow
@pytest.mark.needs("namespaces")
def test_a_machine_without_a_network(tmp_path):
    alone = ["unshare", "--map-root-user", "--net"]
    bakeoff("run", "quickstart", *SMALL, "--seeds", "1", "--out", "study", cwd=tmp_path, under=alone)
    bakeoff("export", "study", "exported", cwd=tmp_path, under=alone)


CONNECTIONS = """
import os, sys, time
from pathlib import Path
from tests.faults.kernel import execute
from bakeoff.cli import main

def work():
    try:
        main()
    finally:
        time.sleep(4)  # libraries connect in the background

os.environ.pop("CI", None)  # ONNX Runtime then connects to nothing
ended = execute(work, Path("/nothing below this"))
print(ended.output, [call for call in ended.calls if call.name == "connect"])
"""


@pytest.mark.slow
@pytest.mark.needs("seccomp")
def test_an_export_connects_to_nothing(finished, tmp_path):
    words = ["-c", CONNECTIONS, "export", "study", tmp_path / "exported"]
    done = execute(
        [sys.executable, *words], finished, PYTHONPATH=os.pathsep.join(path for path in sys.path if path)
    )
    assert "exported to" in done.stdout
    assert done.stdout.endswith(" []\n")


@pytest.mark.slow
def test_no_command_gives_a_warning(finished, tmp_path):
    shutil.copytree(finished / "study", tmp_path / "study")
    shutil.copytree(finished / "Fotos é 数", tmp_path / "Fotos é 数")
    run = ["run", finished / "study.toml", "--out", "new"]
    exporting, predicting = ["export", "study", "exported"], ["predict", "study", "Fotos é 数"]
    for words in (run, ["report", "study"], predicting, ["compare", "study"], exporting):
        bakeoff(*words, cwd=tmp_path, PYTHONWARNINGS="error")


@pytest.mark.needs("mount")
@pytest.mark.parametrize(
    "command", ["report study", pytest.param("run study.toml --out study", marks=pytest.mark.slow)]
)
def test_shared_memory_that_cannot_be_written(finished, command):
    read_only = "mount -t tmpfs -o ro tmpfs /dev/shm && exec "
    execute(["unshare", "--mount", "sh", "-c", read_only + shlex.join(BAKEOFF) + " " + command], finished)


def test_a_name_that_is_too_long(tmp_path):
    for words in (["run", "quickstart", "--jobs", "1", "--out"], ["report"], ["status"]):
        done = bakeoff(*words, "n" * 256, cwd=tmp_path, code=2)
        assert "File name too long; choose a shorter name" in done.stderr


SEVERAL = """
import shlex, sys
from bakeoff.cli import main
for command in sys.argv[1:]:
    sys.argv = ["bakeoff", *shlex.split(command)]
    try:
        main()
    except SystemExit as end:
        if end.code not in (0, None):
            print(f"{command}: exit code {end.code}")
"""
"""Runs several commands in one process, which loads PyTorch once."""

ALL_READING = [
    "--help", "run --help", "data fetch --help", "--version", "studies", "status study", "report study",
    "compare study", "data info 'folder:Fotos é 数'", "data check 'folder:Fotos é 数'",
    "predict study 'Fotos é 数'", "run study.toml --out study",
]  # fmt: skip

ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.mark.parametrize(
    "name", ["ascii", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cp1252", "the C locale"))]
)
def test_an_encoding_that_lacks_characters(finished, name):
    encoding = name if name == "cp1252" else "ascii"
    reading = ALL_READING
    if name == "the C locale":  # where Python reads names as bytes
        reading = [command for command in reading if "data" not in command and "study.toml" not in command]
    done = execute([sys.executable, "-c", SEVERAL, *reading], finished, encoding=encoding, **ENCODINGS[name])
    assert "exit code" not in done.stdout
    sign = "±" if name == "cp1252" else "+/-"
    assert f"Differences in percentage points; margin {sign}1.0" in done.stdout
    assert "\\u6570\\u5b57" in done.stdout


@pytest.mark.slow
def test_a_terminal_of_40_columns(tmp_path, finished):
    recipes = [f"a_network_with_a_name_of_many_words_and_l{number}" for number in (2, 3)]
    (tmp_path / "study.toml").write_text(
        'name = "narrow"\nseeds = 1\ndata = {source = "folder:images", image_size = 16}\n'
        f"defaults = {{epochs = 1}}\n[recipes.{recipes[0]}]\n[recipes.{recipes[1]}]\n"
    )
    classes = [f"photographs_of_the_animals_that_live_in_trees_{label}" for label in range(2)]
    for name in classes:
        shutil.copytree(finished / "Fotos é 数" / "größe", tmp_path / "images" / name)
    show = "status results/narrow", "compare results/narrow", "data info folder:images"
    check = "data check folder:images", "predict results/narrow images", "--help", "run --help"
    commands = ["run study.toml --no-check", *show, *check]
    done = execute([sys.executable, "-c", SEVERAL, *commands], tmp_path, COLUMNS="40")
    for recipe in recipes:  # whole in the lines of epochs, and on one line above a block of cells
        assert f"{recipe} seed 0: finished" in done.stdout
        cells = r"\s+seeds: 1\s+accuracy: \d+\.\d\s+95 % interval: \d+\.\d to"
        assert len(re.findall(re.escape(shortened(recipe, 40)) + cells, done.stdout)) == 2
    for label in range(2):
        assert re.search(rf"^\w+…\w+_trees_{label} .*\d", done.stdout, re.MULTILINE)
    assert not re.search(r"…\s", done.stdout)  # what is shortened is so in the middle
    for option in ("--max-seeds", "--recipes", "--address"):
        assert f"  {option} " in done.stdout


def test_a_terminal_whose_width_is_not_known(finished):
    shown = [bakeoff("status", "study", cwd=finished, COLUMNS=columns).stdout for columns in ("0", "80")]
    assert shown[0] == shown[1]
    assert "finished" in shown[0]


def test_names_of_files_that_python_cannot_read_as_text(finished):
    done = bakeoff("data", "info", "folder:Fotos é 数", cwd=finished, code=2, **ENCODINGS["the C locale"])
    assert "is not ASCII; set the environment variable PYTHONUTF8=1" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_errors_and_studies_in_an_encoding_that_lacks_characters(finished, encoding):
    how = {"cwd": finished, "encoding": encoding, "PYTHONIOENCODING": encoding}
    said = bakeoff("data", "info", "folder:größe 数", code=2, **how).stderr
    assert said.startswith(
        "error: no folder gr\\u00f6\\u00dfe \\u6570"
        if encoding == "ascii"
        else "error: no folder größe \\u6570"
    )
    shown = bakeoff("show", "study.toml", **how).stdout
    assert tomllib.loads(shown) == tomllib.loads(
        bakeoff("show", "study.toml", cwd=finished, PYTHONIOENCODING="utf-8").stdout
    )


STUDY = '# größe\nname = "mine"\ndescription = "数字"\n[recipes.lenet5]\n'


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_study_file_as_windows_programs_write_it(tmp_path, encoding):
    text = ("\ufeff" if encoding == "utf-16-be" else "") + STUDY.replace("\n", "\r\n")
    (tmp_path / "mine.toml").write_bytes(text.encode(encoding))
    shown = bakeoff("show", "mine.toml", cwd=tmp_path, PYTHONIOENCODING="utf-8").stdout
    assert tomllib.loads(shown)["description"] == "数字"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (STUDY.encode("cp1252", "ignore"), "byte 4 is 0xF6, which is not UTF-8 text"),
        ("\ufeff".encode() + STUDY.encode("cp1252", "ignore"), "byte 7 is 0xF6, which is not UTF-8 text"),
        (STUDY.encode("utf-16-le"), "byte 1 is 0x00, which is not UTF-8 text"),
        (STUDY.encode("utf-16")[:-1], "which is not UTF-16 text"),
    ],
)
def test_a_study_file_in_another_encoding_is_named_with_the_byte(tmp_path, content, message):
    (tmp_path / "mine.toml").write_bytes(content)
    said = bakeoff("show", "mine.toml", cwd=tmp_path, code=2).stderr
    assert said.startswith("error: mine.toml: byte ")
    assert f"{message}; a study file is TOML, saved as UTF-8" in said
