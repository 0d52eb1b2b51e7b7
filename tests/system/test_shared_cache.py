"""One cache of several users, whose folders others cannot write and perhaps not read."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.needs import OTHER_USER

pytestmark = pytest.mark.needs("other users")

A, B = OTHER_USER, OTHER_USER + 1

# Python, its packages and their files may be readable by root alone, so everything is imported before a child
# becomes another user, and the images lie in a file of their own that all may read.
LOAD = """
import json, os, sys, tempfile
import numpy as np
from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings

def load(image_size):
    steps = set()
    settings = DataSettings(source=f"npz:{images}", image_size=image_size)
    try:
        data = load_data(settings, progress=lambda text, done, total: steps.add(text))
    except BakeoffError as error:
        return {"error": str(error)}
    return {"entry": data.directory.name, "decoded": "decoding images" in steps, "print": data.fingerprint}

with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as own:
    images = f"{folder}/images.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 12, 12), np.uint8)
    labels = np.arange(40) % 2
    np.savez(images, x_train=pixels[:30], y_train=labels[:30], x_test=pixels[30:], y_test=labels[30:])
    os.chmod(folder, 0o755)
    os.chmod(images, 0o644)
    os.environ["BAKEOFF_CACHE"] = own
    load(8)
    for line in sys.stdin:
        user, umask, image_size, os.environ["BAKEOFF_CACHE"] = json.loads(line)
        if os.fork() == 0:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.umask(umask)
            print(json.dumps(load(image_size)), flush=True)
            os._exit(0)
        assert os.wait()[1] == 0
"""


@pytest.fixture(scope="module")
def load_as():
    """Loads the images in a process of a user, with a umask, an image size and the cache's folder."""
    with subprocess.Popen(
        [sys.executable, "-c", LOAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def load(*step):
            process.stdin.write(f"{json.dumps(step)}\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield load
        process.stdin.close()


@pytest.fixture(params=[0o1777, 0o777], ids=["sticky", "not sticky"])
def cache(request):
    """A folder where each user may write; outside of `tmp_path`, which others may not enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(request.param)
        yield Path(folder)


@pytest.fixture
def load_cached(load_as, cache):
    return lambda *step: load_as(*step, str(cache))


def test_an_entry_that_others_may_read_is_shared(load_cached):
    first = load_cached(A, 0o022, 8)
    assert first["decoded"]
    assert load_cached(B, 0o022, 8) == {**first, "decoded": False}


def test_an_entry_that_others_may_not_read_is_made_again_beside_it(load_cached, cache):
    first = load_cached(A, 0o077, 8)
    other = load_cached(B, 0o077, 8)
    assert other == {**first, "entry": f"{first['entry']}-{B}"}
    assert load_cached(B, 0o077, 8) == {**other, "decoded": False}
    assert load_cached(A, 0o077, 8) == {**first, "decoded": False}
    assert {path.name for path in cache.iterdir()} == {first["entry"], other["entry"]}


def test_a_damaged_entry_of_another_user_is_made_again_beside_it(load_cached, cache):
    first = load_cached(A, 0o022, 8)
    (cache / first["entry"] / "train_labels.npy").write_bytes(b"")
    assert load_cached(B, 0o022, 8) == {**first, "entry": f"{first['entry']}-{B}"}
    assert load_cached(A, 0o022, 8) == first


def test_unused_entries_of_others_are_in_nobodys_way(load_cached, cache):
    first = load_cached(A, 0o022, 8)
    os.utime(cache / first["entry"] / "meta.json", (0, 0))
    other = load_cached(B, 0o022, 12)
    assert other["decoded"]
    assert {path.name for path in cache.iterdir()} == {first["entry"], other["entry"]}


def test_a_cache_that_cannot_be_written_is_read(load_cached, cache):
    first = load_cached(A, 0o022, 8)
    cache.chmod(0o755)
    assert load_cached(B, 0o022, 8) == {**first, "decoded": False}
    assert load_cached(B, 0o022, 12)["error"] == (
        f"cannot write decoded images to {cache}: Permission denied; get the permission to "
        "write there or set the environment variable BAKEOFF_CACHE to another folder"
    )
