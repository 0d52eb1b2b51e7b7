import json
import os

import pytest
from tests.data.conftest import change_byte

from bakeoff.data.checksums import BLOCK_BYTES, BLOCKS, find_damage, write_checksums

NAMES = ("a_images.npy", "b.npy")


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        (tmp_path / name).write_bytes(os.urandom(2 * BLOCKS * BLOCK_BYTES + 17))
    write_checksums(tmp_path, NAMES, "0123")
    return tmp_path


def test_nothing_is_found_in_what_was_written(folder):
    assert find_damage(folder, NAMES) == find_damage(folder, NAMES, in_full=True) == []


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCKS * BLOCK_BYTES - 1, BLOCKS * BLOCK_BYTES])
def test_the_sample_of_a_small_file_is_all_of_it(tmp_path, size):
    file = tmp_path / "a_images.npy"
    file.write_bytes(bytes(size))
    write_checksums(tmp_path, [file.name], "0123")
    assert find_damage(tmp_path, [file.name]) == []
    for position in range(0, size, 4099):
        change_byte(file, position)
        assert len(find_damage(tmp_path, [file.name])) == 1
        change_byte(file, position)


def test_images_are_sampled_from_the_first_byte_to_the_last_and_other_files_read_in_full(folder):
    images, other = (folder / name for name in NAMES)
    for position, is_sampled in ((0, True), (-1, True), (BLOCK_BYTES + 1, False)):
        change_byte(images, position % images.stat().st_size)
        assert bool(find_damage(folder, NAMES)) == is_sampled
        assert find_damage(folder, NAMES, in_full=True)
        change_byte(images, position % images.stat().st_size)
    change_byte(other, BLOCK_BYTES + 1)
    assert find_damage(folder, NAMES) == [f"{other}: its content is not what was written (SHA-256)"]


def test_images_of_another_time_are_read_in_full_once(folder):
    images = folder / NAMES[0]
    recorded = images.stat().st_mtime_ns
    os.utime(images)
    assert find_damage(folder, NAMES) == []
    assert images.stat().st_mtime_ns == recorded
    change_byte(images, BLOCK_BYTES + 1)
    os.utime(images)
    assert find_damage(folder, NAMES) == [f"{images}: its content is not what was written (SHA-256)"]


def test_files_that_are_gone_or_shorter_are_named(folder):
    images, other = (folder / name for name in NAMES)
    images.unlink()
    other.write_bytes(b"short")
    assert find_damage(folder, NAMES) == [
        f"{images}: No such file or directory",
        f"{other}: 5 bytes, expected 524,305",
    ]


def test_a_pipe_in_place_of_a_file_is_not_waited_for(folder):
    (folder / NAMES[0]).unlink()
    os.mkfifo(folder / NAMES[0])
    assert find_damage(folder, NAMES) == [f"{folder / NAMES[0]}: not a regular file"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b'{"a_images.npy": {"bytes": 524305}, "b.npy": 3}'],
)
def test_checksums_that_are_none_are_damage(folder, content):
    (folder / "checksums.json").write_bytes(content)
    assert find_damage(folder, NAMES) == [f"{folder / 'checksums.json'}: not readable"]


@pytest.mark.parametrize("key", ["bytes", "modified_ns", "sha256", "sample_sha256"])
@pytest.mark.parametrize("value", [None, [], "x", 1e400, 10**30])
def test_a_changed_checksum_is_damage(folder, key, value):
    content = json.loads((folder / "checksums.json").read_text())
    content[NAMES[0]][key] = value
    (folder / "checksums.json").write_text(json.dumps(content))
    if key == "sha256":  # read only where images are checked in full
        assert find_damage(folder, NAMES) == []
        assert find_damage(folder, NAMES, in_full=True)
    else:
        assert find_damage(folder, NAMES)


def test_checksums_that_are_missing_are_damage(folder):
    (folder / "checksums.json").unlink()
    assert find_damage(folder, NAMES) == [f"{folder / 'checksums.json'}: No such file or directory"]
