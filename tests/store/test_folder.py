"""The study folder: who may join it, and what is refused."""

import os
import subprocess
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from tests.digests import forget_digests
from tests.killing import dies_before

from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.store import load_study_folder, lock_folder, prepare_folder, run_state, save_run
from bakeoff.study import load_study, study_from_toml


def test_more_seeds_and_recipes_may_join_a_folder(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    larger = load_study("quickstart", seeds=4, epochs=1)
    prepare_folder(layout.root, larger, data, {})
    assert study_from_toml(layout.study.read_text(), "study") == larger
    assert len(load_study_folder(layout.root).runs) == 1


def test_a_folder_with_runs_of_other_settings_is_refused_with_the_difference(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    other = load_study("quickstart", seeds=2, epochs=3)
    with pytest.raises(BakeoffError, match=r"recipes\.lenet5\.epochs: was 1, now 3"):
        prepare_folder(layout.root, other, data, {})
    assert study_from_toml(layout.study.read_text(), "study") == study


def test_a_folder_of_other_data_is_refused(layout, study, data):
    smaller = load_data(study.data.model_copy(update={"image_size": 16}))
    with pytest.raises(BakeoffError, match="other images"):
        prepare_folder(layout.root, study, smaller, {})


@pytest.mark.parametrize(
    ("content", "found"),
    [("[" * 200_000, r"data\.json is nested too deeply"), ("{1", r"data\.json is not JSON"), ("[]", "")],
)
def test_a_damaged_file_about_the_data_is_named(layout, study, data, content, found):
    layout.data.write_text(content)
    with pytest.raises(BakeoffError, match=rf"is a damaged study folder \(.*{found}"):
        prepare_folder(layout.root, study, data, {})


@pytest.mark.parametrize("name", ["thesis.tex", ".thesis.tex.123.tmp", "runs/a/seed-0/history.csv"])
@pytest.mark.parametrize("beside", [None, "study.toml", "data.json", ".data.json.123.tmp"])
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path, name, beside):
    if beside in ("study.toml", "data.json") and name.startswith("runs"):
        pytest.skip("a damaged study folder, which `prepare_folder` refuses")
    for file in filter(None, [name, beside]):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("precious")
    before = sorted(tmp_path.rglob("*"))
    found = f"not empty and not a study folder: it contains '{Path(name).parts[0]}'"
    with pytest.raises(BakeoffError, match=found) as caught, lock_folder(tmp_path):
        pass
    assert caught.value.parameter == "path"
    assert sorted(tmp_path.rglob("*")) == before


def test_no_lock_is_left_in_a_folder_that_gets_something_else_before_it_is_locked(tmp_path):
    def fill(message):
        (tmp_path / "thesis.tex").write_text("precious")
        holder.communicate("release\n")

    with subprocess.Popen(
        [sys.executable, "-c", f"""
from bakeoff.store import lock_folder
from pathlib import Path
with lock_folder(Path({str(tmp_path)!r})):
    print("locked", flush=True)
    input()
"""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout.readline() == "locked\n"
        refused = pytest.raises(BakeoffError, match="not a study folder")
        with refused, lock_folder(tmp_path, on_wait=fill):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_in_use_is_refused_and_the_parameter_that_waits_is_named(tmp_path):
    in_use = pytest.raises(BakeoffError, match=f"in use by process {os.getpid()}")
    with lock_folder(tmp_path), in_use as caught, lock_folder(tmp_path):
        pass
    assert caught.value.parameter == "wait"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(BakeoffError, match="is a file"), lock_folder(path):
        pass


def test_another_format_is_refused(layout, study, data):
    forget_digests(layout.root)
    layout.data.write_text(layout.data.read_text().replace('"format_version": 1', '"format_version": 99'))
    for action in (
        lambda: prepare_folder(layout.root, study, data, {}),
        lambda: load_study_folder(layout.root),
    ):
        with pytest.raises(BakeoffError, match="format 99"):
            action()


OWN_LEFTOVERS = (
    ".study.toml.7.tmp", ".train_images.npz.7.tmp", "runs/lenet5/seed-0/.predictions.npz.7.tmp",
    "report/.index.html.7.tmp", "report/figures/.loss-lenet5.svg.7.tmp", "report/tables/.runs.csv.7.tmp",
)  # fmt: skip
NOT_OURS = (
    ".notes.7.tmp", "runs/lenet5/seed-0/.mine.csv.7.tmp", "report/.mine.html.7.tmp", "report/figures/.tmp",
    "tables/.runs.csv.7.tmp", "runs/lenet5/.predictions.npz.7.tmp", "runs/lenet5/seed-0/.predictions.npz.tmp",
)  # fmt: skip


def test_leftovers_of_killed_processes_are_removed_and_nothing_else_is(layout, study, data):
    for name in (*OWN_LEFTOVERS, *NOT_OURS):
        path = layout.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    prepare_folder(layout.root, study, data, {})
    assert [name for name in OWN_LEFTOVERS if (layout.root / name).exists()] == []
    assert [name for name in NOT_OURS if not (layout.root / name).exists()] == []


def test_state_and_failure_of_a_run_that_was_killed_after_its_last_file_are_removed(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    for seed in (0, 1):
        layout.unfinished("lenet5", seed).parent.mkdir(exist_ok=True)
        layout.unfinished("lenet5", seed).write_bytes(b"state")
        layout.failure("lenet5", seed).write_bytes(b"reason")
    prepare_folder(layout.root, study, data, {})
    for path in (layout.unfinished, layout.failure):
        assert not path("lenet5", 0).exists()
        assert path("lenet5", 1).exists()


def test_a_state_that_cannot_be_removed_fails_no_run(layout, study, data, run):
    layout.unfinished("lenet5", 0).mkdir(parents=True)
    save_run(layout, study, "lenet5", 0, "a", run, data)
    assert run_state(layout, "lenet5", 0, "a") == "finished"


def test_images_left_by_a_beginning_with_other_data_are_not_kept(tmp_path, study, data):
    smaller = load_data(study.data.model_copy(update={"image_size": 16}))
    layout = prepare_folder(tmp_path / "study", study, smaller, {})
    layout.study.unlink()
    prepare_folder(layout.root, study, data, {})
    assert np.load(layout.test_images)["images"].shape == data.test.images.shape


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_study_killed_at_any_moment_of_its_beginning_begins_again(tmp_path, study):
    smaller = load_data(study.data.model_copy(update={"image_size": 16}))

    def begin(root):
        with lock_folder(root):
            prepare_folder(root, study, smaller, {"python": "3"})

    begin(tmp_path / "whole")
    expected = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    for number in count():
        root = tmp_path / str(number)
        if not dies_before(number, partial(begin, root), root):
            break
        begin(root)
        assert {path.name: path.read_bytes() for path in root.iterdir()} == expected
    assert number > 12  # each of the five files is opened and renamed


RACE = """
import sys, time
from pathlib import Path
from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.store import lock_folder, prepare_folder
from bakeoff.study import load_study

study = load_study("quickstart", seeds=2, epochs=1, recipes=["lenet5"])
data = load_data(study.data)
print("ready", flush=True)
for number, start in enumerate(map(float, input().split())):
    root, waits = Path(sys.argv[1], str(number)), number % 2
    time.sleep(max(0, start - time.time()))
    try:
        with lock_folder(root, on_wait=(lambda message: None) if waits else None):
            prepare_folder(root, study, data, {}).run("lenet5", 0).mkdir(parents=True, exist_ok=True)
        print("began", flush=True)
    except BakeoffError as error:
        print(error, flush=True)
"""


def test_of_three_processes_that_begin_a_study_at_once_one_does_and_the_others_wait_or_are_told(tmp_path):
    num_races = 12
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    starts = " ".join(str(time.time() + 0.1 + 0.3 * number) for number in range(num_races))
    answers = [process.communicate(starts + "\n")[0].splitlines() for process in processes]
    assert [len(lines) for lines in answers] == [num_races] * 3
    for number, race in enumerate(zip(*answers, strict=True)):
        assert "began" in race
        others = [answer for answer in race if answer != "began"]
        assert all("is in use by" in answer for answer in others), others
        assert not (others and number % 2)
        assert not list((tmp_path / str(number)).glob("*.tmp"))


def test_a_metric_that_selects_checkpoints_stays_and_another_may_change(tmp_path, study, data, run):
    by_score = study.changed(recipes={"lenet5": study.recipes["lenet5"].changed(checkpoint="best_val_score")})
    for before, refused in ((study, False), (by_score, True)):
        folder = prepare_folder(tmp_path / str(refused), before, data, {})
        save_run(folder, before, "lenet5", 0, "identity", run, data)
        after = before.changed(compare={"metric": "macro_f1"})
        if refused:
            with pytest.raises(BakeoffError, match="selects its checkpoint: was accuracy, now macro_f1"):
                prepare_folder(folder.root, after, data, {})
        else:
            prepare_folder(folder.root, after, data, {})
