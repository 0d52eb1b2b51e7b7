"""The study folder: who may join it, and what is refused."""

import os
from pathlib import Path

import pytest

from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.store import Layout, load_study_folder, lock_folder, prepare_folder, save_run
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


def test_a_folder_that_holds_something_else_is_refused(tmp_path, study, data):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(BakeoffError, match="not empty and not a study folder") as caught:
        prepare_folder(tmp_path, study, data, {})
    assert caught.value.parameter == "path"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_in_use_is_refused_and_the_parameter_that_waits_is_named(tmp_path):
    in_use = pytest.raises(BakeoffError, match=f"in use by process {os.getpid()}")
    with lock_folder(tmp_path), in_use as caught, lock_folder(tmp_path):
        pass
    assert caught.value.parameter == "wait"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, study, data):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(BakeoffError, match="is a file"):
        prepare_folder(path, study, data, {})


def test_another_format_is_refused(layout, study, data):
    layout.data.write_text(layout.data.read_text().replace('"format_version": 1', '"format_version": 99'))
    for action in (
        lambda: prepare_folder(layout.root, study, data, {}),
        lambda: load_study_folder(layout.root),
    ):
        with pytest.raises(BakeoffError, match="format 99"):
            action()


def test_leftovers_of_a_killed_worker_are_cleared(layout, study, data):
    leftover = layout.run("lenet5", 0) / f".predictions.npz.{os.getpid()}.tmp"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    prepare_folder(layout.root, study, data, {})
    assert not leftover.exists()
    assert isinstance(layout, Layout)
    assert Path(layout.root).is_dir()
