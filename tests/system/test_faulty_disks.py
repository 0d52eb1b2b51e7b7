"""Full, read-only and vanishing disks: told in words, finished runs intact, the same bytes once mended."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # real processes, one after another

BAKEOFF = str(Path(sys.executable).with_name("bakeoff"))
STUDY = [
    "run", "quickstart", "--recipes", "lenet5", "--set", "data.image_size=16", "--epochs", "12",
    "--jobs", "1", "--out", "study",
]  # fmt: skip
TWO_RUNS = [*STUDY, "--seeds", "2"]
ONE_EPOCH = [*STUDY, "--seeds", "1", "--epochs", "1", "--no-check"]
NO_SPACE = "No space left on device; free some space or choose another folder"


@pytest.fixture(autouse=True, scope="module")
def without_kernels():
    """With them a run is over before it can be disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_KERNELS", "off")
        yield


def bakeoff(*words, cwd, code=0, **variables):
    """Run the command to its end, and see that it ended in words."""
    environment = {**os.environ, "COLUMNS": "1000", **variables}
    done = subprocess.run(
        [BAKEOFF, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    told(done.returncode, done.stdout + done.stderr, code)
    return done


def told(found_code, output, code):
    assert found_code == code, output
    assert "Traceback" not in output, output
    assert "Exception" not in output, output


def start(cwd, words):
    return subprocess.Popen(
        [BAKEOFF, *words], cwd=cwd, env={**os.environ, "COLUMNS": "1000"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def wait_for(process, folder, pattern):
    while not list(folder.rglob(pattern)):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def results(folder):
    kept = ("predictions.npz", "best.safetensors", "features.npz")
    paths = sorted(path for name in kept for path in folder.rglob(name))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("predictions.npz")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a study of two runs that nothing happened to."""
    folder = tmp_path_factory.mktemp("finished")
    bakeoff(*TWO_RUNS, cwd=folder)
    assert len(results(folder)) == 6
    return folder


@pytest.mark.slow
def test_a_disk_that_fills_up_while_a_study_runs(small_disk, finished):
    disk = small_disk("16m")
    process = start(disk.path, TWO_RUNS)
    wait_for(process, disk.path, "seed-1/events.*")
    before = times(disk.path)
    assert len(before) == 1
    while process.poll() is None:  # what a failed write gives back is taken too
        disk.fill()
        time.sleep(0.01)
    output = process.communicate()[0]
    told(process.returncode, output, 2)
    assert "lenet5, seed 1: failed: cannot write study/" in output
    assert NO_SPACE in output
    assert not list(disk.path.rglob("*.tmp"))
    assert times(disk.path) == before
    assert "1 finished" in bakeoff("status", "study", cwd=disk.path).stdout  # reading needs no room

    disk.make_room()
    bakeoff(*TWO_RUNS, cwd=disk.path)
    assert results(disk.path) == results(finished)
    assert before.items() <= times(disk.path).items()


@pytest.mark.slow
def test_the_state_of_a_run_that_finds_no_room(small_disk, finished):
    disk = small_disk("16m")
    shutil.copytree(finished / "study", disk.path / "study")
    before = times(disk.path)
    three_runs = [*STUDY, "--seeds", "3"]
    disk.fill(leave_kib=120)  # for events and a line on the failure, not for a state
    done = bakeoff(*three_runs, cwd=disk.path, code=2)  # the report has no room either
    # Its events, its state or its results: which file is the first to find no room depends on the machine.
    failed = [line for line in done.stdout.splitlines() if line.startswith("lenet5, seed 2: failed: cannot")]
    assert failed
    assert NO_SPACE in failed[-1]
    status = bakeoff("status", "study", cwd=disk.path).stdout
    assert "2 finished, 1 failed" in status
    assert NO_SPACE in status
    assert times(disk.path) == before
    disk.make_room()
    bakeoff(*three_runs, cwd=disk.path)
    assert results(disk.path).items() > results(finished).items()


def test_a_report_that_finds_no_room(small_disk, finished):
    disk = small_disk("16m")
    shutil.copytree(finished / "study", disk.path / "study")
    page = disk.path / "study/report/index.html"
    before = page.read_bytes()
    disk.fill(leave_kib=200)
    done = bakeoff("report", "study", cwd=disk.path, code=2)
    assert done.stderr.startswith("error: cannot write study/report/")
    assert NO_SPACE in done.stderr
    assert page.read_bytes() == before
    assert not list(disk.path.rglob("*.tmp"))
    disk.make_room()
    bakeoff("report", "study", cwd=disk.path)
    assert page.read_bytes() == before


@pytest.mark.parametrize(
    "leave_kib", [pytest.param(0, marks=pytest.mark.slow), 8, pytest.param(100, marks=pytest.mark.slow)]
)
def test_a_disk_that_is_full_from_the_start(small_disk, leave_kib):
    disk = small_disk("16m")
    disk.fill(leave_kib=leave_kib)
    done = bakeoff(*ONE_EPOCH, cwd=disk.path, code=2)
    assert done.stderr.startswith("error: cannot write study/")
    assert NO_SPACE in done.stderr
    assert not [path for path in disk.path.rglob("*") if path.name.endswith((".tmp", "holder.json"))]
    disk.make_room()
    bakeoff(*ONE_EPOCH, cwd=disk.path)


def test_decoded_images_that_find_no_room(small_disk, tmp_path):
    """Images are written through a memory map, where a full disk is a signal and no error."""
    disk = small_disk("16m")
    disk.fill(leave_kib=300)
    done = bakeoff(*ONE_EPOCH, cwd=tmp_path, code=2, BAKEOFF_CACHE=str(disk.path))
    assert done.stderr.startswith(
        f"error: cannot write decoded images to {disk.path}: No space left on device"
    )
    assert "BAKEOFF_CACHE" in done.stderr
    assert [path.name for path in disk.path.iterdir()] == ["filler"]
    assert not (tmp_path / "study").exists()
    disk.make_room()
    bakeoff(*ONE_EPOCH, cwd=tmp_path, BAKEOFF_CACHE=str(disk.path))


def test_a_read_only_disk_is_read_and_not_written(small_disk, finished):
    disk = small_disk("16m")
    shutil.copytree(finished / "study", disk.path / "study")
    before = {path: path.stat().st_mtime_ns for path in disk.path.rglob("*")}
    disk.make_read_only()
    assert "2 finished" in bakeoff("status", "study", cwd=disk.path).stdout
    for words in (TWO_RUNS, [*TWO_RUNS, "--out", "new"], ["report", "study"]):
        done = bakeoff(*words, cwd=disk.path, code=2)
        assert done.stderr.startswith("error: cannot write ")
        assert "Read-only file system" in done.stderr
        assert "another folder" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in disk.path.rglob("*")} == before
    compared = ["compare", "study", "--json", "comparison.json"]
    assert "Read-only file system" in bakeoff(*compared, cwd=disk.path, code=2).stderr


def test_the_results_of_a_run_deleted_while_another_goes_on(finished, tmp_path):
    process = start(tmp_path, TWO_RUNS)
    wait_for(process, tmp_path, "seed-1/events.*")
    (tmp_path / "study/runs/lenet5/seed-0/predictions.npz").unlink()
    output = process.communicate()[0]
    told(process.returncode, output, 1)
    assert "lenet5, seed 0: failed: its results were deleted while the study ran" in output
    before = times(tmp_path)
    assert len(before) == 1
    bakeoff(*TWO_RUNS, cwd=tmp_path)
    assert results(tmp_path) == results(finished)
    assert before.items() <= times(tmp_path).items()


def test_a_study_folder_deleted_while_it_is_written(finished, tmp_path):
    process = start(tmp_path, TWO_RUNS)
    wait_for(process, tmp_path, "seed-1/events.*")
    (tmp_path / "study").rename(tmp_path / "gone")  # at once, for a worker writes to it
    output = process.communicate()[0]
    told(process.returncode, output, 2)
    assert "study was deleted or moved" in output
    shutil.rmtree(tmp_path / "study")
    bakeoff(*TWO_RUNS, cwd=tmp_path)
    assert results(tmp_path / "study") == results(finished / "study")


def test_decoded_images_deleted_under_a_study(finished, tmp_path):
    """A worker has them in its memory map; the one that takes its place finds nothing."""
    cache = tmp_path / "cache"
    environment = {**os.environ, "BAKEOFF_CACHE": str(cache), "COLUMNS": "1000"}
    process = subprocess.Popen(
        [BAKEOFF, *TWO_RUNS], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    wait_for(process, tmp_path, "seed-1/events.*")
    shutil.rmtree(cache)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)
    output = process.communicate()[0]
    told(process.returncode, output, 1)
    assert "lenet5, seed 1: failed: the decoded images in" in output
    assert "run the study again" in output
    bakeoff(*TWO_RUNS, cwd=tmp_path, BAKEOFF_CACHE=str(cache))
    assert results(tmp_path / "study") == results(finished / "study")


def test_decoded_labels_changed_between_two_commands(finished, tmp_path):
    """Same size, same time: they are decoded again, and the second run is trained on the right ones."""
    cache = tmp_path / "cache"
    bakeoff(*STUDY, "--seeds", "1", cwd=tmp_path, BAKEOFF_CACHE=str(cache))
    (file,) = cache.glob("*/train_labels.npy")
    before = file.stat()
    labels = np.load(file)
    labels[:200] = (labels[:200] + 1) % 10
    np.save(file, labels)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    bakeoff(*TWO_RUNS, cwd=tmp_path, BAKEOFF_CACHE=str(cache))
    assert results(tmp_path / "study") == results(finished / "study")
