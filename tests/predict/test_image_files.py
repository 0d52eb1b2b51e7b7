"""Image files named on the command line, and found in folders."""

from bakeoff.predict.files import image_files


def test_files_of_a_folder_come_in_order_before_those_of_its_folders(tmp_path):
    for name in ("b.png", "a.JPG", "c/z.webp", "c/d/y.tif", "a folder/x.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/w.png").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in image_files([tmp_path])]
    assert found == ["a.JPG", "b.png", "a folder/x.png", "c/z.webp", "c/d/y.tif"]


def test_links_are_followed_and_loops_end(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "image.png").touch()
    (inner / "up").symlink_to(tmp_path)
    (inner / "self").symlink_to(inner)
    (tmp_path / "again").symlink_to(inner)
    (tmp_path / "linked.png").symlink_to(inner / "image.png")
    found = [path.relative_to(tmp_path).as_posix() for path in image_files([tmp_path])]
    assert found == ["linked.png", "again/image.png"]


def test_folders_that_link_to_one_another_are_each_entered_once(tmp_path):
    names = [f"{number:02d}" for number in range(12)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").touch()
        for other in names:
            (tmp_path / name / f"to {other}").symlink_to(tmp_path / other)
    assert sorted(path.name for path in image_files([tmp_path])) == [f"{name}.png" for name in names]


def test_a_named_file_is_given_whatever_its_name_and_even_if_it_is_missing(tmp_path):
    text, missing, long = tmp_path / "readme.txt", tmp_path / "missing.png", tmp_path / ("n" * 5000)
    text.touch()
    assert list(image_files([text, missing, long])) == [text, missing, long]
