import os
import re
from pathlib import Path

import pytest
from PIL import Image

from bakeoff.data.sources.walking import IMAGE_SUFFIXES, Walk


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_system_files_and_folders_are_neither_images_nor_folders(tmp_path):
    touch(tmp_path, "@eaDir/x.png", "__MACOSX/._1.png", "$RECYCLE.BIN/x.png", ".ipynb_checkpoints/1.png")
    touch(tmp_path, "cat/1.png", "cat/@eaDir/1.png", "cat/._1.png", "cat/Thumbs.db", "cat/desktop.ini")
    walk = Walk(tmp_path)
    assert walk.subfolders("") == ["cat"]
    assert walk.images_below("", ["cat"]) == {"cat": ["cat/1.png"]}
    (note,) = walk.notes()
    assert note == (
        "Ignored 8 hidden or system files or folders: "
        "$RECYCLE.BIN, ._1.png, .ipynb_checkpoints, @eaDir, Thumbs.db, ..."
    )


def test_files_that_are_not_images_are_counted_by_kind(tmp_path):
    touch(tmp_path, "cat/1.PNG", "cat/2.HEIC", "cat/deep/3.heic", "cat/LICENSE", "dog/1.cr2", "dog/2.txt")
    walk = Walk(tmp_path)
    assert walk.images_below("", ["cat", "dog"]) == {"cat": ["cat/1.PNG"], "dog": []}
    assert walk.notes() == [
        "Ignored 5 files of kinds that are not read: 2 .heic, 1 without extension, 1 .cr2 and 1 .txt."
    ]


def test_links_to_folders_are_followed_and_each_folder_is_read_once(tmp_path):
    touch(tmp_path / "source", "cat/1.png", "dog/1.png", "dog/more/2.png")
    touch(tmp_path / "elsewhere", "3.png", "deep/4.png")
    cat = tmp_path / "source" / "cat"
    for name, target in {
        "more": "../../elsewhere",
        "again": "../../elsewhere/deep",
        "loop": ".",
        "dogs": "../dog",
        "up": "../../..",
        "gone": "missing",
    }.items():
        (cat / name).symlink_to(target)
    (tmp_path / "elsewhere" / "back").symlink_to(cat)
    (cat / "self").symlink_to("self")
    (cat / "gone.png").symlink_to("missing.png")
    walk = Walk(tmp_path / "source")
    assert walk.images_below("", ["cat", "dog"]) == {
        "cat": ["cat/1.png", "cat/again/4.png", "cat/gone.png", "cat/more/3.png"],
        "dog": ["dog/1.png", "dog/more/2.png"],
    }
    (note,) = walk.notes()
    assert note.startswith("Passed over 6 links that lead to a folder that is read anyway, ")


def test_a_class_folder_that_is_a_link_is_read(tmp_path):
    touch(tmp_path / "elsewhere", "1.png")
    (tmp_path / "source").mkdir()
    for name in ("a", "b"):
        (tmp_path / "source" / name).symlink_to(tmp_path / "elsewhere")
    walk = Walk(tmp_path / "source")
    assert walk.subfolders("") == ["a", "b"]
    assert walk.images_below("", ["a", "b"]) == {"a": ["a/1.png"], "b": ["b/1.png"]}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_listed_by_its_name_and_not_opened(tmp_path):
    (tmp_path / "cat").mkdir()
    os.mkfifo(tmp_path / "cat" / "1.png")
    assert Walk(tmp_path).images_below("", ["cat"]) == {"cat": ["cat/1.png"]}


def test_pillow_knows_each_extension_as_one_of_a_format_that_is_read():
    from bakeoff.data.decoding.image_file import FORMATS

    Image.init()
    known = {suffix for suffix, name in Image.EXTENSION.items() if name in FORMATS}
    assert IMAGE_SUFFIXES - known <= {".avif"}  # where this build of Pillow lacks it


def test_the_documentation_lists_the_extensions():
    page = (Path(__file__).parents[3] / "docs" / "own-images.md").read_text(encoding="utf-8")
    text = page.split("files with these extensions are read")[1].split("Files of all other kinds")[0]
    assert set(re.findall(r"`([.]\w+)`", text)) == IMAGE_SUFFIXES
