"""Which sources a folder or file may be."""

from pathlib import Path

import pytest

from bakeoff.data.sources.finding import find_sources, group_column
from bakeoff.errors import BakeoffError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("a/1.png", "b/2.JPG"), ["folder:"]),
        (("train/a/1.png", "test/a/2.png"), ["folder:"]),
        (("splits/train.txt", "images/1.png"), ["splits:", "folder:"]),
        (("train_X.bin",), ["stl10:"]),
        (("stl10_binary/train_X.bin",), ["stl10:"]),
        (("data_batch_1.bin",), ["cifar10:"]),
        (("cifar-10-batches-bin/data_batch_1.bin",), ["cifar10:"]),
        (("train-images-idx3-ubyte.gz",), ["idx:"]),
        (("metadata.csv", "1.png"), ["csv:"]),
        (("train/metadata.jsonl", "train/1.png"), ["csv:", "folder:"]),
        (("train-00000-of-00001.parquet",), ["parquet:"]),
        (("labels.csv", "images/1.png"), ["csv:/labels.csv", "folder:"]),
        (("train.csv", "test.csv"), ["csv:/test.csv", "csv:/train.csv"]),
        (("data.npz",), ["npz:/data.npz"]),
        ((".hidden/1.png", "notes.txt", "deeper/a/b/1.png"), []),
    ],
)
def test_a_folder(tmp_path, names, found):
    sources = [source.replace(str(tmp_path), "") for source in find_sources(touch(tmp_path, *names))]
    assert sources == found


@pytest.mark.parametrize(("name", "kind"), [("a.csv", "csv"), ("a.TSV", "csv"), ("a.npz", "npz")])
def test_a_file(tmp_path, name, kind):
    file = touch(tmp_path, name) / name
    assert find_sources(file) == [f"{kind}:{file}"]


def test_what_is_no_source_is_refused(tmp_path):
    touch(tmp_path, "a.txt")
    with pytest.raises(BakeoffError, match=r"a\.txt is not a table of images; expected"):
        find_sources(tmp_path / "a.txt")
    with pytest.raises(BakeoffError, match=r"no folder or file .*nowhere; expected"):
        find_sources(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("image,label,patient_id", "patient_id"),
        ("image,label,Subject", "Subject"),
        ("image,label,group,patient", None),  # group is read without being named
        ("image,label,patient,scene", None),
        ("image,label,age", None),
    ],
)
def test_column_of_groups(tmp_path, header, column):
    cells = ",".join("x" for _ in header.split(","))
    (tmp_path / "labels.csv").write_text(f"{header}\n{cells}\n")
    assert group_column(tmp_path / "labels.csv") == column
