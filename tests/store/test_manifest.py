"""Digests of files: recorded as they are written, wherever the process that writes them is killed."""

import hashlib
import itertools
import json
import shutil
from dataclasses import replace
from functools import partial

import pytest
from tests.digests import forget_digests
from tests.killing import dies_before

from bakeoff.data.image_data import SPLIT_NAMES, Split
from bakeoff.errors import BakeoffError
from bakeoff.store import (
    check_runs,
    check_study_files,
    prepare_folder,
    run_state,
    save_audit,
    save_failure,
    save_run,
)
from bakeoff.store.manifest import compare_files, read_manifest
from bakeoff.study import load_study


def folders_after_kills(tmp_path, before, work):
    """Do the work on copies of a folder, killed before its first operation on files, its second, ..."""
    for number in itertools.count():
        folder = tmp_path / str(number) / "study"
        shutil.copytree(before, folder)
        killed = dies_before(number, partial(work, folder), folder)
        yield folder
        if not killed:
            assert number > 5
            return


def first(split, number=9):
    return Split(split.images[:number], split.labels[:number], split.ids[:number])


def test_what_is_recorded_is_what_is_in_the_files(layout, study, data, run):
    save_audit(layout, {"fingerprint": "f"})
    save_run(layout, study, "lenet5", 0, "a", run, data)
    save_failure(layout, "lenet5", 1, "a", "loss is nan", try_again=False)
    for folder, names in (
        (layout.root, "audit.json data.json environment.json study.toml test_images.npz train_images.npz"),
        (
            layout.run("lenet5", 0),
            "attributions.npz best.safetensors features.npz history.csv predictions.npz",
        ),
        (layout.run("lenet5", 1), "failure.json"),
    ):
        recorded = json.loads((folder / "files.json").read_text())
        assert sorted(recorded) == names.split()
        for name, digest in recorded.items():
            content = (folder / name).read_bytes()
            assert digest == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        assert compare_files(folder) == dict.fromkeys(recorded, "")


@pytest.mark.parametrize("start", ["recorded", "of an older version", "empty"])
def test_a_kill_while_a_study_is_prepared_makes_no_file_look_changed(tmp_path, study, data, start):
    few = {name: first(data.split(name)) for name in SPLIT_NAMES}
    data = replace(data, **few)
    layout = prepare_folder(tmp_path / "before", study, data, {"python": "3"})
    larger = load_study("quickstart", seeds=4, epochs=1)
    if start == "of an older version":
        forget_digests(layout.root)
    if start == "empty":
        shutil.rmtree(layout.root)
        layout.root.mkdir()
    for folder in folders_after_kills(
        tmp_path, layout.root, lambda folder: prepare_folder(folder, larger, data, {"python": "4"})
    ):
        assert not any(compare_files(folder).values())
        prepare_folder(folder, larger, data, {"python": "4"})
        assert set(compare_files(folder).values()) == {""}
        assert len(read_manifest(folder)) == 5


def test_a_kill_while_the_images_are_checked_makes_no_file_look_changed(tmp_path, layout):
    save_audit(layout, {"fingerprint": "of another version"})
    for folder in folders_after_kills(
        tmp_path, layout.root, lambda folder: save_audit(type(layout)(folder), {"fingerprint": "f"})
    ):
        assert not any(compare_files(folder).values())


def test_a_run_killed_while_it_is_written_is_unfinished_or_whole(tmp_path, layout, study, data, run):
    """Over the files of an earlier attempt, of which every file is another."""
    again = replace(
        run,
        history=[replace(record, seconds=9.0) for record in run.history],
        weights={name: value + 1 for name, value in run.weights.items()},
        test_logits=run.test_logits + 1,
        test_features=run.test_features + 1,
        attributions=None,
    )
    save_run(layout, study, "lenet5", 0, "a", run, data)
    states = []
    for folder in folders_after_kills(
        tmp_path,
        layout.root,
        lambda folder: save_run(type(layout)(folder), study, "lenet5", 0, "a", again, data),
    ):
        at = type(layout)(folder)
        states.append(run_state(at, "lenet5", 0, "a"))
        check_runs([at.run("lenet5", 0)])
        if states[-1] == "finished" and len(states) > 1:
            names = ["best.safetensors", "features.npz", "history.csv", "predictions.npz"]
            assert list(compare_files(at.run("lenet5", 0))) == names
            assert not at.attributions("lenet5", 0).exists()
    assert set(states) == {"finished", "missing"}


def test_a_failure_killed_while_it_is_written_does_not_look_changed(tmp_path, layout):
    save_failure(layout, "lenet5", 0, "a", "the disk was full", try_again=True)
    for folder in folders_after_kills(
        tmp_path,
        layout.root,
        lambda folder: save_failure(type(layout)(folder), "lenet5", 0, "a", "loss is nan", try_again=False),
    ):
        check_runs([type(layout)(folder).run("lenet5", 0)])


@pytest.mark.parametrize(
    "content",
    ["", "null", "[1]", '{"study.toml": 1}', '{"study.toml": {"size": 1}}', "[" * 100_000]
    + [json.dumps({name: {"size": 1, "sha256": "0"}}) for name in ("/etc/passwd", "../study.toml")],
)
def test_a_damaged_record_is_named(layout, content):
    (layout.root / "files.json").write_text(content)
    for action in (read_manifest, lambda root: check_study_files(type(layout)(root))):
        with pytest.raises(BakeoffError, match=r"files\.json is damaged"):
            action(layout.root)


def test_of_files_of_an_older_version_nothing_is_said(layout):
    forget_digests(layout.root)
    layout.environment.write_text("{}")
    check_study_files(layout)
    (layout.root / "files.json").write_text('["study.toml"]')
    check_study_files(layout)
