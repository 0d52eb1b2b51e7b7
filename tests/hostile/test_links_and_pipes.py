"""Links, pipes and huge files in a study folder: nothing outside is written or removed, nothing hangs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.digests import forget_digests

from bakeoff.errors import BakeoffError
from bakeoff.predict.files import image_files
from bakeoff.store import arrays, load_study_folder

SMALL = ["--seeds", "1", "--epochs", "1", "--no-check", "--jobs", "1", "--recipes", "lenet5"]
pytestmark = [
    pytest.mark.slow,  # real processes, one after another
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here"),
]


def bakeoff(*words, seconds=300):
    """Run a command that must answer; gives its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("finished") / "study"
    assert bakeoff("run", "quickstart", *SMALL, "--out", root)[0] == 0
    return root


@pytest.fixture
def study(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def outside(tmp_path):
    """A folder with files of the names that a report has."""
    folder = tmp_path / "outside"
    (folder / "figures").mkdir(parents=True)
    for name in ("index.html", "files.json", "figures/loss-lenet5.svg", "figures/other.svg", "seed-0"):
        (folder / name).write_text("mine")
    return folder


def content_of(folder):
    return {path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "place", ["report", "report/figures", "report/tables", "tensorboard", "tensorboard/lenet5", "runs/lenet5"]
)
def test_no_link_leads_a_write_or_removal_outside(study, outside, place):
    before = content_of(outside)
    shutil.rmtree(study / place)
    (study / place).symlink_to(outside)
    for words in (["run", "quickstart", *SMALL, "--seeds", "2", "--out", study], ["report", study]):
        code, said = bakeoff(*words)
        assert code == 2, said
        assert "is a symbolic link to" in said or "no finished run" in said
        assert content_of(outside) == before


@pytest.mark.parametrize("name", [".lock", ".lock-holder.json", "report/.index.html.1.tmp"])
def test_hidden_names_are_not_followed(study, outside, name):
    before = content_of(outside)
    (study / name).unlink(missing_ok=True)
    (study / name).symlink_to(outside / "index.html")
    code, said = bakeoff("run", "quickstart", *SMALL, "--out", study)
    assert (code, "is a symbolic link to" in said) == (2, True), said
    assert content_of(outside) == before


def test_a_link_in_place_of_a_result_is_replaced_not_written_through(study, outside):
    for name in ("report/index.html", "environment.json"):
        target = outside / Path(name).name
        target.write_text((study / name).read_text())
        (study / name).unlink()
        (study / name).symlink_to(target)
    before = content_of(outside)
    assert bakeoff("run", "quickstart", *SMALL, "--seeds", "2", "--out", study)[0] == 0
    assert content_of(outside) == before
    assert not (study / "report" / "index.html").is_symlink()


FILES = (
    "study.toml", "data.json", "environment.json", "audit.json", "costs.json", "test_images.npz",
    "train_images.npz", "runs/lenet5/seed-0/history.csv", "runs/lenet5/seed-0/predictions.npz",
    "runs/lenet5/seed-0/features.npz", "runs/lenet5/seed-0/attributions.npz",
    "runs/lenet5/seed-0/best.safetensors",
    "runs/lenet5/seed-0/failure.json", "runs/lenet5/seed-0/unfinished.state", "report/files.json",
    "files.json", "runs/lenet5/seed-0/files.json",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["pipe", "device", "sparse"])
def test_what_is_no_plain_file_of_a_plausible_size_hangs_nothing(study, tmp_path, kind):
    """Each file in its turn, read in one process, so that one that hangs is one failure."""
    script = """
import os, resource, shutil, sys
from pathlib import Path
from bakeoff.errors import BakeoffError
from bakeoff.predict.ensemble import load_ensemble
from bakeoff.report import build_report
from bakeoff.store import load_study_folder, study_status, verify_study
root, kind = Path(sys.argv[1]), sys.argv[2]
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
for name in sys.argv[3:]:
    path, aside = root / name, root.parent / "aside"
    if there := path.exists():
        shutil.move(path, aside)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    for read in (load_study_folder, study_status, verify_study, load_ensemble, build_report):
        try:
            read(root)
        except BakeoffError as error:
            assert len(str(error)) < 2000
    path.unlink(missing_ok=True)
    if there:
        shutil.move(aside, path)
print("through")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(study), kind, *FILES],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.stdout.endswith("through\n"), done.stderr


def test_all_runs_together_have_one_budget(study, monkeypatch):
    runs = study / "runs" / "lenet5"
    forget_digests(study)
    toml = study / "study.toml"
    toml.write_text(toml.read_text().replace("seeds = 1\n", "seeds = 3\n"))
    for seed in (1, 2):
        shutil.copytree(runs / "seed-0", runs / f"seed-{seed}")
    (run, *_) = load_study_folder(study).runs
    needed = run.test_logits.nbytes + run.train_true_probability.nbytes
    monkeypatch.setattr(arrays, "memory_for_results", lambda: int(2.5 * needed))
    with pytest.raises(BakeoffError, match=r"seed-2.*half of this machine's memory"):
        load_study_folder(study)


def test_a_link_to_itself_does_not_hide_the_images_beside_it(tmp_path):
    (tmp_path / "image.png").write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert list(image_files([tmp_path])) == [tmp_path / "image.png"]
