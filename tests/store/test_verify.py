"""Files that are not as they were written are named, with what to do."""

import os
import shutil

import pytest
from tests.digests import forget_digests

from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.store import (
    UnfinishedRun,
    check_runs,
    check_study_files,
    load_study_folder,
    prepare_folder,
    save_failure,
    save_run,
    study_status,
    verify_study,
)


@pytest.fixture
def stored(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "a", run, data)
    save_failure(layout, "lenet5", 1, "a", "loss is nan", try_again=False)
    return layout


def empty(path):
    path.write_bytes(b"")


def shorten(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def make_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (empty, "is empty, expected "),
        (shorten, " bytes, expected "),
        (flip, "has changed since it was written"),
        (make_folder, "cannot be read"),
        (lambda path: path.unlink(), "is missing"),
    ],
)
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("study.toml", "run the study again, which writes it anew"),
        ("environment.json", "restore it from a copy, or "),
        ("runs/lenet5/seed-0/best.safetensors", "delete {root}/runs/lenet5/seed-0 and run the study again"),
        ("runs/lenet5/seed-0/history.csv", "to retrain it"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_named_with_what_to_do(stored, change, text, name, remedy):
    path = stored.root / name
    change(path)
    for read in (study_status, load_study_folder):
        with pytest.raises(BakeoffError) as caught:
            read(stored.root)
        assert str(caught.value).startswith(f"{path} ")
        assert text in str(caught.value)
        assert remedy.format(root=stored.root) in str(caught.value)
    assert verify_study(stored.root).differences == (str(caught.value),)


def test_several_files_are_listed(stored):
    flip(stored.history("lenet5", 0))
    flip(stored.failure("lenet5", 1))
    with pytest.raises(BakeoffError, match="2 files are not as they were written") as caught:
        study_status(stored.root)
    assert all(f"seed-{seed}/" in str(caught.value) for seed in (0, 1))


def test_of_files_that_are_not_used_only_the_size_is_compared(stored):
    folder = stored.run("lenet5", 0)
    flip(stored.features("lenet5", 0))
    check_runs([folder], read=["predictions.npz"])
    load_study_folder(stored.root, whole=False)
    empty(stored.features("lenet5", 0))
    with pytest.raises(BakeoffError, match=r"features\.npz is empty"):
        check_runs([folder], read=["predictions.npz"])


def test_a_run_without_its_last_file_is_not_finished(stored):
    stored.predictions("lenet5", 0).unlink()
    stored.failure("lenet5", 1).unlink()
    assert [run.state for run in study_status(stored.root)[1]] == ["waiting"] * 4


def test_study_files_that_are_about_to_be_written_may_be_missing(stored):
    stored.study.unlink()
    check_study_files(stored, may_be_missing=True)
    flip(stored.data)
    with pytest.raises(BakeoffError, match=r"data\.json has changed"):
        check_study_files(stored, may_be_missing=True)


def test_a_whole_study_has_no_difference_and_what_has_no_digest_is_listed(stored):
    UnfinishedRun(stored.unfinished("lenet5_batch_norm", 0), "a").save(b"state", 7, 0.25)
    found = verify_study(stored.root)
    assert found.differences == ()
    assert found.num_checked == 5 + 5 + 1
    assert found.unrecorded == ("runs/lenet5_batch_norm/seed-0/unfinished.state",)
    forget_digests(stored.run("lenet5", 0))
    flip(stored.weights("lenet5", 0))
    found = verify_study(stored.root)
    assert found.differences == ()
    assert len(found.unrecorded) == 1 + 5


def test_decoded_images_in_the_cache_are_read_in_full(tmp_path, monkeypatch, study):
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))
    data = load_data(study.data)
    layout = prepare_folder(tmp_path / "study", study, data, {})
    found = verify_study(layout.root)
    assert (found.cached, found.differences) == ((data.directory,), ())
    images = data.directory / "train_images.npy"
    times = images.stat()
    flip(images)
    os.utime(images, ns=(times.st_atime_ns, times.st_mtime_ns))
    (difference,) = verify_study(layout.root).differences
    assert difference.startswith(f"{images}: ")
    assert f"delete {data.directory}, which the next run" in difference
    shutil.rmtree(data.directory)
    assert verify_study(layout.root).cached == ()


def test_what_is_no_study_folder_is_refused(tmp_path):
    with pytest.raises(BakeoffError, match="is not a study folder"):
        verify_study(tmp_path)
