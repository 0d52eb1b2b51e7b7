import json
import os
import resource

import numpy as np
import pytest
from tests.data.conftest import change_byte

from bakeoff.data import check_cached_images, open_image_data
from bakeoff.data.cache_entry import (
    FILES,
    FORMAT_VERSION,
    _save,
    check_entry,
    open_entry,
    read_original_sizes,
)
from bakeoff.data.checksums import BLOCK_BYTES, write_checksums
from bakeoff.errors import BakeoffError


def test_the_original_sizes_are_kept_in_the_order_of_the_splits(load, splits_dir, write_image):
    write_image(splits_dir / "pictures" / "train 1.png", 1, size=(70, 9))
    write_image(splits_dir / "pictures" / "test 0.png", 6, size=(5, 80))
    data = load(f"splits:{splits_dir}")
    others = [(12, 10)] * 2
    assert read_original_sizes(data.directory).tolist() == [
        [*size] for size in [(12, 10), (70, 9), *others, *others, (5, 80), (12, 10)]
    ]


def test_an_array_that_a_full_disk_cuts_short_is_an_error(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (14000, before[1]))  # the last write fails, as on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            _save(tmp_path / "sizes.npy", np.zeros((1797, 2), np.int32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_changed_labels_are_not_used(load, splits_dir, own_cache):
    data = load(f"splits:{splits_dir}")
    labels = data.train.labels.copy()
    file = data.directory / "train_labels.npy"
    before = file.stat()
    np.save(file, 1 - labels)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    with pytest.raises(BakeoffError, match="missing or damaged"):
        open_image_data(data.directory)
    np.testing.assert_array_equal(load(f"splits:{splits_dir}").train.labels, labels)


def test_changed_images_are_found_by_the_sample_the_time_or_the_full_check(load, splits_dir, own_cache):
    entry = load(f"splits:{splits_dir}", image_size=256).directory
    file = entry / "train_images.npy"
    in_the_sample, between_blocks = file.stat().st_size - 1, BLOCK_BYTES + 1
    change_byte(file, in_the_sample)
    assert open_entry(entry) is None
    change_byte(file, in_the_sample)  # back
    assert open_entry(entry) is not None
    change_byte(file, between_blocks)
    data = open_entry(entry)
    assert data is not None
    assert check_cached_images(data.fingerprint) == [
        (entry, [f"{file}: its content is not what was written (SHA-256)"])
    ]
    os.utime(file)
    assert open_entry(entry) is None


def test_labels_that_were_changed_together_with_their_checksum_lack_the_fingerprint(
    load, splits_dir, own_cache
):
    data = load(f"splits:{splits_dir}")
    np.save(data.directory / "train_labels.npy", 1 - data.train.labels)
    write_checksums(data.directory, FILES, data.fingerprint)
    assert check_entry(data.directory, data.fingerprint) == [
        f"{data.directory}: its images, labels and names do not have the data's fingerprint"
    ]


def test_an_entry_of_an_earlier_version_is_rebuilt(load, splits_dir, own_cache):
    data = load(f"splits:{splits_dir}")
    meta = data.directory / "meta.json"
    for had_checksums in (True, False):
        meta.write_text(meta.read_text().replace(f'on": {FORMAT_VERSION}', f'on": {FORMAT_VERSION - 1}'))
        if had_checksums:
            write_checksums(data.directory, FILES, data.fingerprint)
        else:
            (data.directory / "checksums.json").unlink()
        assert open_entry(data.directory) is None
        again = load(f"splits:{splits_dir}")
        assert again.directory == data.directory
        assert json.loads(meta.read_text())["format_version"] == FORMAT_VERSION
