"""check_split_files(): headers found, and what a reader that expects one would lose."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bakeoff.audit import check_split_files


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "splits").mkdir()
    for split, count in (("train", 4), ("val", 3), ("test", 2)):
        for index in range(count):
            Image.new("RGB", (9, 9)).save(tmp_path / f"{split} {index}.png")
        lines = [f"{split} {index}.png {index % 2}\n" for index in range(count)]
        (tmp_path / "splits" / f"{split}.txt").write_text("".join(lines))
    return tmp_path


def prepend(file: Path, line: str) -> None:
    file.write_text(f"{line}\n{file.read_text()}")


def test_what_a_header_eating_reader_would_lose_is_told(directory: Path) -> None:
    (finding,) = check_split_files(directory)
    assert (finding.severity, finding.kind, finding.count) == ("note", "no-header", 3)
    assert "train.txt 3 of 4 images, val.txt 2 of 3 images, test.txt 1 of 2 images" in finding.sentence


@pytest.mark.parametrize("header", ["path label", "path,label", "image_path class_index", "x" * 5000 + " y"])
def test_a_header_is_found(directory: Path, header: str) -> None:
    prepend(directory / "splits" / "val.txt", header)
    found = {finding.kind: finding for finding in check_split_files(directory)}
    assert found["header-val"].severity == "warning"
    assert found["no-header"].count == 2
    assert "val.txt" not in found["no-header"].sentence


def test_a_missing_image_is_no_header(directory: Path) -> None:
    prepend(directory / "splits" / "val.txt", "nowhere.png 1")
    assert [finding.kind for finding in check_split_files(directory)] == ["no-header"]


def test_images_dropped_as_headers_are_named(directory: Path) -> None:
    prepend(directory / "splits" / "train.txt", "path label")
    (finding,) = check_split_files(directory, first_line_is_header=True)
    assert (finding.severity, finding.kind) == ("warning", "first-images-dropped")
    assert "val 0.png of val.txt, test 0.png of test.txt" in finding.sentence


def test_a_header_among_class_names_is_found(directory: Path) -> None:
    (directory / "class_names.txt").write_text("airplane\nbird\n")
    assert [finding.kind for finding in check_split_files(directory)] == ["no-header"]
    prepend(directory / "class_names.txt", "Label")
    assert check_split_files(directory)[0].kind == "header-class-names"
