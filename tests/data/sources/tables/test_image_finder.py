import os

import pytest

from bakeoff.data.sources.tables.image_finder import ImageFinder


@pytest.fixture
def folder(tmp_path):
    for name in (
        "a/1.png",
        "a/Big Cat.JPG",
        "a/img.001.png",
        "twice.jpg",
        "twice.png",
        "notes.txt",
        "cafe\u0301.png",
    ):
        file = tmp_path / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "outside.png").touch()
    (tmp_path / "images" / "a\\b.png").touch()
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a/1.png", "a/1.png"),
        ("./a//1.png", "a/1.png"),
        ("a/x/../1.png", "a/1.png"),
        ("a\\1.png", "a/1.png"),
        ("a\\b.png", "a\\b.png"),  # a file of this very name
        ("a/1", "a/1.png"),
        ("a/img.001", "a/img.001.png"),
        ("a/big cat.jpg", "a/Big Cat.JPG"),
        ("a/Big Cat", "a/Big Cat.JPG"),
        ("caf\u00e9.png", "cafe\u0301.png"),
        ("notes.txt", "notes.txt"),
    ],
)
def test_a_file_is_found_as_people_write_it(folder, text, path):
    assert ImageFinder(folder).find(text) == (path, "")


def test_an_absolute_path_into_the_folder_is_found(folder, monkeypatch):
    assert ImageFinder(folder).find(f"{folder}/a/1.png") == ("a/1.png", "")
    monkeypatch.chdir(folder.parent)
    assert ImageFinder(folder.relative_to(folder.parent)).find(f"{folder}/a/1") == ("a/1.png", "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a/2.png", "no file 'a/2.png' in "),
        ("notes", "no file 'notes' in "),  # not an image
        ("a", "no file 'a' in "),
        ("", "no file '' in "),
        ("loop.png", "no file 'loop.png' in "),
        ("loop/1.png", "no file "),
        ("pipe.png", "no file "),
        ("x" * 5000, "no file 'xx"),
        ("x" * 300 + "/1.png", "no file 'xx"),
        ("nul\0.png", "no file "),
        ("nul\0/1.png", "no file "),
        ("\ud800/1.png", "no file "),
        ("twice", "'twice' may be 'twice.jpg' or 'twice.png'; write the whole name"),
        ("../outside.png", "leads out of "),
        ("a/../../outside.png", "leads out of "),
        ("..\\outside.png", "leads out of "),
        ("/etc/passwd", "'/etc/passwd' is absolute; paths are relative to "),
    ],
)
def test_what_is_not_found_is_told(folder, text, problem):
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe.png")
    path, found = ImageFinder(folder).find(text)
    assert path == ""
    assert problem in found
    assert len(found) < 1000
