"""Split files, class folders, binaries and images, written to do harm."""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bakeoff.data import decode_image, load_data
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings


@pytest.fixture
def load():
    return lambda source: load_data(DataSettings(source=source, image_size=8))


@pytest.fixture
def source(tmp_path):
    """A `splits:` folder inside `tmp_path`, beside an image that does not belong to it."""
    folder = tmp_path / "source"
    (folder / "splits").mkdir(parents=True)
    for index in range(8):
        save(folder / f"{index}.png", index)
    for name, indices in (("train", range(4)), ("val", (4, 5)), ("test", (6, 7))):
        lines = "".join(f"{index}.png {index % 2}\n" for index in indices)
        (folder / "splits" / f"{name}.txt").write_text(lines)
    save(tmp_path / "outside.png", 99)
    return folder


def save(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)).save(path, "png")


def add_line(source, line):
    with (source / "splits" / "train.txt").open("ab") as file:
        file.write(line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"../outside.png 0\n", "leads out of"),
        (b"splits/../../outside.png 0\n", "leads out of"),
        (b"/dev/zero 0\n", "is absolute"),
        (b"a" * 300 + b".png 0\n", "no file"),
        (b"0.png " + b"9" * 5_000 + b"\n", "already listed"),
        (b"pipe.png 0\n", "no file"),
        (b"nul\0.png 0\n", "NUL"),
        (b"\xff.png 0\n", "not UTF-8"),
        (b"\x1b[2J.png 0\n", "no file"),
    ],
)
def test_a_hostile_line_of_a_split_file_is_refused(source, load, refused, line, words):
    os.mkfifo(source / "pipe.png")
    add_line(source, line)
    with refused("train.txt", words):
        load(f"splits:{source}")


def test_a_label_of_thousands_of_digits_is_refused(source, load, refused):
    save(source / "8.png", 8)
    add_line(source, b"8.png " + b"9" * 5_000 + b"\n")
    with refused("train.txt"):
        load(f"splits:{source}")


def test_a_link_is_followed_because_its_owner_made_it(source, load, tmp_path):
    """Links to a store elsewhere are how DVC, git-annex and model hubs keep data sets."""
    (source / "linked.png").symlink_to(tmp_path / "outside.png")
    add_line(source, b"linked.png 0\n")
    assert load(f"splits:{source}").train.ids[-1] == "linked.png"


@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "folder", "nowhere", "loop.png"])
def test_what_is_no_plain_file_is_refused_and_not_waited_for(tmp_path, load, refused, target):
    for label in "ab":
        for index in range(4):
            save(tmp_path / label / f"{index}.png", index + 10 * (label == "b"))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".folder").mkdir()
    goal = {"pipe": tmp_path / "pipe", "folder": tmp_path / ".folder"}.get(target, target)
    (tmp_path / "a" / "loop.png").symlink_to(goal)
    if target == "folder":
        assert len(load(f"folder:{tmp_path}").class_names) == 2  # a link to a folder is not followed
    else:
        with refused("1 image cannot be decoded", "a/loop.png"):
            load(f"folder:{tmp_path}")


def test_a_huge_file_is_refused_unread(source, load, refused):
    with (source / "0.png").open("r+b") as file:
        file.truncate(1 << 40)  # a hole of a terabyte
    with refused("0.png: ", "at most"):
        load(f"splits:{source}")


def test_names_with_markup_control_characters_and_directions_are_read(tmp_path, load):
    names = ("<b>", "\u202eevil", "\x1b[2J", "=1+1", "$x^$", "a\nb", "n" * 250)
    for label, name in enumerate(names):
        for index in range(4):
            save(tmp_path / name / f"\x1b{name[:50]} {index}.png", 10 * label + index)
    assert set(load(f"folder:{tmp_path}").class_names) == set(names)


def test_names_that_are_no_text_are_refused(tmp_path, load, refused):
    for name in (b"caf\xe9", b"tea"):
        for index in range(4):
            save(tmp_path / os.fsdecode(name) / f"{index}.png", index)
    with refused("is not UTF-8"):
        load(f"folder:{tmp_path}")


@pytest.mark.parametrize(
    "source", ["folder:~nobody-of-this-name/x", "folder:" + "a" * 300, "stl10:\0", "a" * 5_000]
)
def test_a_source_that_cannot_be_a_folder_is_told(load, refused, source):
    with refused():
        load(source)


def png(width, height, data=b""):
    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (10_000, 10_000), (0, 5)])
def test_an_image_bomb_is_refused(refused, size):
    with refused():
        decode_image(io.BytesIO(png(*size, bytes(1_000_000))), 8)


def test_postscript_is_never_interpreted(tmp_path, refused):
    """Pillow goes by the content and would start Ghostscript for it."""
    file = tmp_path / "cat.png"
    Image.new("RGB", (8, 8)).save(file, "EPS")
    with refused("not an image of a known format"):
        decode_image(file, 8)


@pytest.fixture(scope="module")
def samples(photographs):
    with Image.open(next((photographs / "test").glob("*.png"))) as image:
        image.load()
    files = []
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA", "JPEG2000"):
        buffer = io.BytesIO()
        image.resize((24, 24)).save(buffer, kind)
        files.append(buffer.getvalue())
    return files


@pytest.mark.filterwarnings("ignore")
@given(
    st.integers(0, 8),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), max_size=4),
    st.floats(0, 1),
)
def test_a_damaged_image_gives_pixels_or_a_reason(samples, kind, damages, end):
    content = bytearray(samples[kind])
    for place, replacement in damages:
        start = int(place * min(len(content), 600))
        content[start : start + len(replacement)] = replacement
    del content[max(1, int(end * 4 * len(content))) :]
    reason = "none"
    try:
        pixels = decode_image(io.BytesIO(bytes(content)), 8)
        assert (pixels.shape, pixels.dtype) == ((8, 8, 3), np.uint8)
    except BakeoffError as error:
        reason = str(error)
    assert reason


def test_a_source_with_names_that_act_prints_none_of_them(tmp_path):
    """The whole command, its output taken as bytes."""
    source = tmp_path / "\x1b[2J\u202e"
    for name in ("a", "b"):
        save(source / name / "0.png", 0)
    words = [sys.executable, "-m", "bakeoff", "data", "info", f"folder:{source}"]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"too few to cut" in done.stderr
    assert rb"\x1b[2J\u202e" in done.stderr
    assert b"\x1b" not in done.stderr + done.stdout
