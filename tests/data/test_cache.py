import multiprocessing
import os
import shutil
import signal
import time

import numpy as np
import pytest
from PIL import Image
from tests.data.conftest import change_byte

from bakeoff.data import check_cached_images, keep_in_cache, load_data, open_image_data
from bakeoff.data.image_data import SPLIT_NAMES
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings


def snapshot(directory):
    """What changes when a file is written anew."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in directory.rglob("*")}


def test_a_second_load_decodes_nothing(splits_dir, own_cache):
    steps = []

    def progress(text, done, total):
        steps.append((text, done, total))

    settings = DataSettings(source=f"splits:{splits_dir}")
    first = load_data(settings, progress=progress)
    assert ("decoding images", 0, 8) in steps
    assert ("decoding images", 8, 8) in steps
    before = snapshot(own_cache)
    steps.clear()
    second = load_data(settings, progress=progress)
    assert steps[-1] == ("checking images", 8, 8)
    assert not any(text == "decoding images" for text, _, _ in steps)
    assert snapshot(own_cache) == before
    assert second.fingerprint == first.fingerprint
    np.testing.assert_array_equal(second.train.images, first.train.images)


def test_the_entry_opens_again_with_everything(load, splits_dir, tmp_path, monkeypatch):
    # A cache of its own: an entry names the source that made it, and other tests read the same images.
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))
    data = load(f"splits:{splits_dir}")
    opened = open_image_data(data.directory)
    assert isinstance(opened.train.images, np.memmap)
    assert not opened.train.images.flags.writeable
    for name in ("train", "val", "test"):
        np.testing.assert_array_equal(opened.split(name).images, data.split(name).images)
        np.testing.assert_array_equal(opened.split(name).labels, data.split(name).labels)
        assert opened.split(name).labels.dtype == np.int64
        assert opened.split(name).ids == data.split(name).ids
    for field in ("class_names", "mean", "std", "fingerprint", "notes", "directory", "source"):
        assert getattr(opened, field) == getattr(data, field)


@pytest.mark.parametrize("change", ["pixels", "labels", "ids", "class names", "image size"])
def test_whatever_changes_the_data_makes_another_entry_and_fingerprint(load, splits_dir, write_image, change):
    before = load(f"splits:{splits_dir}")
    train = splits_dir / "splits" / "train.txt"
    size = 32
    if change == "pixels":
        write_image(splits_dir / "pictures" / "train 0.png", seed=999)
    elif change == "labels":
        train.write_text(train.read_text().replace("train 0.png 0", "train 0.png 1"))
    elif change == "ids":
        (splits_dir / "pictures" / "train 0.png").rename(splits_dir / "pictures" / "other.png")
        train.write_text(train.read_text().replace("train 0.png", "other.png"))
    elif change == "class names":
        (splits_dir / "class_names.txt").write_text("ape\nzebra\n")
    else:
        size = 16
    after = load(f"splits:{splits_dir}", image_size=size)
    assert after.directory != before.directory
    assert after.fingerprint != before.fingerprint


def test_the_same_data_from_other_files_have_the_same_fingerprint(load, splits_dir):
    before = load(f"splits:{splits_dir}")
    file = splits_dir / "pictures" / "train 0.png"
    Image.open(file).save(file, compress_level=0)
    after = load(f"splits:{splits_dir}")
    assert after.directory != before.directory
    assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize(
    "name", ["train_images.npy", "test_labels.npy", "original_sizes.npy", "meta.json", "checksums.json"]
)
@pytest.mark.parametrize("damage", ["missing", "short", "empty", "a changed byte"])
def test_a_damaged_entry_is_found_and_rebuilt(load, splits_dir, own_cache, name, damage):
    data = load(f"splits:{splits_dir}")
    expected = [(data.split(split).images.copy(), data.split(split).labels) for split in SPLIT_NAMES]
    file = data.directory / name
    if damage == "missing":
        file.unlink()
    elif damage == "a changed byte":
        change_byte(file, file.stat().st_size - 30)
    else:
        file.write_bytes(file.read_bytes()[:-1] if damage == "short" else b"")
    with pytest.raises(BakeoffError, match="missing or damaged; load the data again"):
        open_image_data(data.directory)
    rebuilt = load(f"splits:{splits_dir}")
    assert rebuilt.directory == data.directory
    assert rebuilt.fingerprint == data.fingerprint
    for split, (images, labels) in zip(SPLIT_NAMES, expected, strict=True):
        np.testing.assert_array_equal(rebuilt.split(split).images, images)
        np.testing.assert_array_equal(rebuilt.split(split).labels, labels)
    assert [path.name for path in own_cache.iterdir()] == [data.directory.name]


def test_a_full_check_names_each_changed_file_of_the_images_with_a_fingerprint(
    load, splits_dir, own_cache, tmp_path
):
    data = load(f"splits:{splits_dir}")
    (own_cache / "notes.txt").write_text("of somebody else")
    other = load(f"splits:{splits_dir}", image_size=16)
    # The same pixels from other files: another entry with the same fingerprint.
    copied = tmp_path / "copy"
    shutil.copytree(splits_dir, copied)
    picture = copied / "pictures" / "train 0.png"
    Image.open(picture).save(picture, compress_level=0)
    twin = load(f"splits:{copied}")
    directories = sorted([data.directory, twin.directory])
    assert check_cached_images(data.fingerprint) == [(directory, []) for directory in directories]
    for name in ("meta.json", "val_labels.npy"):
        change_byte(data.directory / name, (data.directory / name).stat().st_size - 1)
    problems = dict(check_cached_images(data.fingerprint))
    assert problems.keys() == set(directories)
    assert problems[twin.directory] == []
    changed = "its content is not what was written (SHA-256)"
    assert problems[data.directory] == [
        f"{data.directory / 'meta.json'}: {changed}",
        f"{data.directory / 'val_labels.npy'}: {changed}",
    ]
    meta_bytes = (data.directory / "meta.json").stat().st_size
    (data.directory / "meta.json").write_bytes(b"")
    (twin.directory / "checksums.json").write_bytes(b"")
    problems = dict(check_cached_images(data.fingerprint))
    assert problems[data.directory][0] == f"{data.directory / 'meta.json'}: 0 bytes, expected {meta_bytes}"
    assert problems[twin.directory] == [f"{twin.directory / 'checksums.json'}: not readable"]
    assert check_cached_images(other.fingerprint) == [(other.directory, [])]
    assert check_cached_images("0" * 64) == []


def test_a_cache_that_is_not_there_has_nothing_to_check(own_cache):
    assert check_cached_images("0" * 64) == []


def test_a_whole_entry_that_another_load_put_there_meanwhile_is_kept(splits_dir, own_cache):
    settings = DataSettings(source=f"splits:{splits_dir}")
    entries = []

    def progress(text, done, total):
        if text == "decoding images" and done == 0:
            load_data(settings)
            (entry,) = own_cache.glob("[!.]*")
            entries.append((entry, snapshot(entry)))

    data = load_data(settings, progress=progress)
    ((entry, before),) = entries
    assert data.directory == entry
    assert snapshot(entry) == before
    assert list(own_cache.iterdir()) == [entry]


def load_with_others(all_found_nothing, source, results):
    def progress(text, done, total):
        if text == "decoding images" and done == 0:
            all_found_nothing.wait(timeout=120)

    data = load_data(DataSettings(source=source), progress=progress)
    results.put((data.fingerprint, int(data.train.images.sum())))


def test_processes_that_decode_the_same_images_at_once_all_succeed(splits_dir, own_cache):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    arguments = (barrier, f"splits:{splits_dir}", results)
    processes = [context.Process(target=load_with_others, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    answers = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(set(answers)) == 1
    assert len(list(own_cache.iterdir())) == 1


def test_an_interrupted_load_leaves_nothing(splits_dir, own_cache):
    def interrupt(text, done, total):
        if text == "decoding images" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_data(DataSettings(source=f"splits:{splits_dir}"), progress=interrupt)
    assert list(own_cache.iterdir()) == []


def test_remains_of_killed_processes_are_removed_once_they_are_old(load, splits_dir, own_cache):
    old, young = own_cache / ".old.tmp", own_cache / ".young.tmp"
    for remains in (old, young):
        remains.mkdir(parents=True)
        (remains / "train_images.npy").write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    load(f"splits:{splits_dir}")
    assert not old.exists()
    assert young.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_remains_of_a_killed_process_are_removed_at_once_and_those_of_a_living_one_never(
    load, splits_dir, own_cache
):
    reading, writing = os.pipe()

    def decode_and_hang(text, done, total):
        if text == "decoding images":
            os.write(writing, b"!")
            signal.pause()

    child = os.fork()
    if not child:
        load_data(DataSettings(source=f"splits:{splits_dir}"), progress=decode_and_hang)
        os._exit(1)
    assert os.read(reading, 1) == b"!"
    (remains,) = own_cache.glob(".*.tmp")
    os.utime(remains, (time.time() - 2 * 24 * 3600,) * 2)
    load(f"splits:{splits_dir}", image_size=9)
    assert remains.exists()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.utime(remains)
    load(f"splits:{splits_dir}", image_size=10)
    assert not remains.exists()


def test_an_unusable_cache_folder_is_told_with_the_variable(load, splits_dir, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "file"))
    with pytest.raises(BakeoffError, match=r"cannot write decoded images to .*file.*BAKEOFF_CACHE"):
        load(f"splits:{splits_dir}")


def test_the_cache_lies_where_the_environment_says(load, splits_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("BAKEOFF_CACHE")
    assert load(f"splits:{splits_dir}").directory.parent == tmp_path / "home" / ".cache" / "bakeoff"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert load(f"splits:{splits_dir}").directory.parent == tmp_path / "xdg" / "bakeoff"
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "own"))
    assert load(f"splits:{splits_dir}").directory.parent == tmp_path / "own"


def unused_for(entry, days):
    """Set back the time of the last use."""
    then = time.time() - days * 24 * 3600
    os.utime(entry / "meta.json", (then, then))


def test_an_entry_unused_for_a_month_is_removed_when_another_is_written(load, splits_dir, own_cache):
    old, used = (load(f"splits:{splits_dir}", image_size=size) for size in (16, 20))
    unused_for(old.directory, 31)
    unused_for(used.directory, 29)
    (own_cache / "notes.txt").write_text("of somebody else")
    new = load(f"splits:{splits_dir}", image_size=24)
    kept = {path.name for path in own_cache.iterdir()}
    assert kept == {used.directory.name, new.directory.name, "notes.txt"}


@pytest.mark.parametrize("use", [open_image_data, keep_in_cache])
def test_an_entry_in_use_stays_however_old(load, splits_dir, own_cache, use):
    old = load(f"splits:{splits_dir}", image_size=16)
    unused_for(old.directory, 400)
    use(old.directory)
    load(f"splits:{splits_dir}", image_size=20)
    assert open_image_data(old.directory).fingerprint == old.fingerprint


def test_an_entry_that_is_loaded_again_stays(load, splits_dir, own_cache):
    old = load(f"splits:{splits_dir}", image_size=16)
    unused_for(old.directory, 400)
    load(f"splits:{splits_dir}", image_size=16)
    load(f"splits:{splits_dir}", image_size=20)
    assert old.directory.is_dir()
