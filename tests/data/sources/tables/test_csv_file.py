import json

import numpy as np
import pytest
from PIL import Image

from bakeoff.data.sources.tables.csv_file import list_csv
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings


@pytest.fixture
def folder(tmp_path, write_image):
    """Eight images in one folder, and a folder of four more."""
    for index in range(8):
        write_image(tmp_path / "my images" / f"{index}.png", index)
    for index in range(4):
        write_image(tmp_path / "more" / f"{index}.jpg", index)
    return tmp_path


@pytest.fixture
def listed(folder):
    """What `list_csv` gives for these lines, as rows (id, label, group) by split, names and notes."""

    def list_lines(*lines, **settings):
        (folder / "labels.csv").write_text("\n".join(lines))
        return plain(list_csv(folder / "labels.csv", DataSettings(**settings)))

    return list_lines


def plain(listing):
    splits = {
        name: [(image.id, image.label, image.group) for image in images]
        for name, images in listing.splits.items()
    }
    return splits, listing.class_names, listing.notes


def test_pixels_labels_and_splits_are_those_of_the_rows(load, folder):
    splits = ["Train"] * 4 + ["validation"] * 2 + ["TEST"] * 2
    rows = [f"my images/{index}.png,{'cat' if index % 2 else 'dog'},{splits[index]}" for index in range(8)]
    (folder / "labels.csv").write_text("\n".join(["image,label,split", *rows]))
    data = load(f"csv:{folder / 'labels.csv'}")
    assert data.class_names == ("cat", "dog")
    assert data.train.ids == tuple(f"my images/{index}.png" for index in range(4))
    assert data.val.labels.tolist() == [1, 0]
    assert data.test.ids == ("my images/6.png", "my images/7.png")
    with Image.open(folder / "my images" / "7.png") as image:
        expected = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(data.test.images[1], expected)
    assert data.notes == ()


def test_a_kaggle_table_of_ids_is_read_and_missing_splits_are_cut(load, folder):
    rows = [f"{index},{'beagle' if index % 2 else 'pug'}" for index in range(8)]
    (folder / "labels.csv").write_text("\r\n".join(["\ufeffid,breed", *rows]), encoding="utf-8")
    data = load(f"csv:{folder / 'labels.csv'}", image_folder="my images")
    assert sorted([*data.train.ids, *data.val.ids, *data.test.ids]) == [f"{index}.png" for index in range(8)]
    assert data.class_names == ("beagle", "pug")
    assert "The column 'breed' is read as label." in data.notes
    assert any("no val and no test" in note for note in data.notes)


def test_groups_are_in_the_listing(listed):
    splits, _, _ = listed("image,label,group", "my images/0.png,a,p1", "more/1.jpg,b,p2")
    assert splits["train"] == [("my images/0.png", 0, "p1"), ("more/1.jpg", 1, "p2")]


def test_class_names_give_the_order(listed, folder):
    (folder / "class_names.txt").write_text("zebra\nape\n")
    splits, names, _ = listed("image,label", "more/0.jpg,0", "more/1.jpg,1", "more/2.jpg,1.0")
    assert ([label for _, label, _ in splits["train"]], names) == ([0, 1, 1], ("zebra", "ape"))


def test_rows_that_repeat_another_are_counted(listed):
    lines = ("more/0.jpg,a", "more\\0.jpg,a", "more/0,a", "more/1.jpg,b")
    splits, _, notes = listed("image,label", *lines)
    assert [name for name, _, _ in splits["train"]] == ["more/0.jpg", "more/1.jpg"]
    assert notes == (
        "Ignored 2 rows that repeat another one.",
        "Ignored 2 images in the same folders that no line lists.",
    )


def test_folders_that_are_named_after_splits_are_the_splits(listed, folder, write_image):
    lines = []
    for index, split in enumerate(["Training", "Training", "valid", "test"]):
        write_image(folder / split / f"{index}.png", index)
        lines.append(f"{split}/{index}.png,{index % 2}")
    splits, _, notes = listed("image,label", *lines)
    assert {name: len(images) for name, images in splits.items()} == {"train": 2, "val": 1, "test": 1}
    assert notes == ("The splits are the folders of the images.",)
    # All in one of them, or one elsewhere: these are plain folders.
    assert listed("image,label", *lines[:2])[0].keys() == {"train"}
    assert listed("image,label", *lines, "more/0.jpg,0")[0].keys() == {"train"}


def write_metadata(folder, write_image, name, rows):
    for file_name, _ in rows:
        write_image(folder / file_name, len(file_name))
    if name.endswith(".csv"):
        text = "".join(f"{file_name},{label}\n" for file_name, label in [("file_name", "label"), *rows])
    else:
        text = "".join(json.dumps({"file_name": f, "label": label}) + "\n" for f, label in rows)
    (folder / name).write_text(text)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_metadata_of_hugging_face_is_read_from_the_folder(tmp_path, write_image, name):
    rows = [("train/0.png", 1), ("train/1.png", 0), ("test/2.png", 0)]
    write_metadata(tmp_path / "whole", write_image, name, rows)
    for path in (tmp_path / "whole", tmp_path / "whole" / name):
        splits, names, _ = plain(list_csv(path, DataSettings()))
        assert splits == {
            "train": [("train/0.png", 1, ""), ("train/1.png", 0, "")],
            "test": [("test/2.png", 0, "")],
        }
        assert names == ("0", "1")


def test_metadata_in_the_folder_of_each_split_is_read(tmp_path, write_image):
    for split, kind in (("train", "csv"), ("validation", "jsonl"), ("test", "csv")):
        rows = [("0.png", "cat"), ("deep/1.png", "dog")]
        write_metadata(tmp_path / split, write_image, f"metadata.{kind}", rows)
    splits, names, _ = plain(list_csv(tmp_path, DataSettings()))
    assert splits["train"] == [("train/0.png", 0, ""), ("train/deep/1.png", 1, "")]
    assert splits["val"] == [("validation/0.png", 0, ""), ("validation/deep/1.png", 1, "")]
    assert splits.keys() == {"train", "val", "test"}
    assert names == ("cat", "dog")


def test_a_folder_whose_metadata_are_missing_or_doubtful_is_refused(tmp_path, write_image):
    def refused(message):
        with pytest.raises(BakeoffError, match=message):
            list_csv(tmp_path, DataSettings())

    refused("no metadata.csv or metadata.jsonl in .* or in its train folder$")
    (tmp_path / "labels.csv").touch()
    refused(r"did you mean csv:.*labels.csv\?")
    write_metadata(tmp_path / "val", write_image, "metadata.csv", [("0.png", 0)])
    write_metadata(tmp_path / "Valid", write_image, "metadata.csv", [("0.png", 0)])
    refused("several folders for val; keep one of them")
    write_metadata(tmp_path / "val", write_image, "metadata.jsonl", [("0.png", 0)])
    refused("has both metadata.csv and metadata.jsonl; remove one of them|several folders for val")


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        (("image,label", "more/0.jpg,", ",b"), ["csv:2: no label", "csv:3: no image"]),
        (("image,label,group,split", "more/0.jpg,a,,"), ["csv:2: no split and no group"]),
        (("image,label", "more/0.jpg,a", "more/9.jpg,b"), ["csv:3: no file 'more/9.jpg' in "]),
        (("image,label,split", "more/0.jpg,a,train", "more/1.jpg,a,holdout"), ["csv:3: split 'holdout'; "]),
        (("image,label", "more/0.jpg,a", "more/0,b"), ["csv:3: 'more/0.jpg' is already listed in ",
         "csv:2, with label 'a' there and 'b' here"]),
        (("image,label,split", "more/0.jpg,a,train", "more/0.jpg,a,test"), ["split 'train' there and"]),
        (("image,label,group", "more/0.jpg,a,x", "more/0.jpg,a,y"), ["with group 'x' there and 'y' here"]),
        (("image,label", "more/0.jpg,a", "more/1.jpg,A"), ["differ only in case", "class_names.txt"]),
        (("image,label", "more/0.jpg,0", "more/1.jpg,cat"), ["csv:2 has the integer label 0, but ", "csv:3"]),
    ],
)  # fmt: skip
def test_bad_rows_are_refused_with_their_lines(listed, lines, problems):
    with pytest.raises(BakeoffError) as caught:
        listed(*lines)
    for problem in problems:
        assert problem in str(caught.value)


def test_the_problems_of_all_rows_are_counted_and_the_first_ten_shown(listed):
    with pytest.raises(BakeoffError) as caught:
        listed("image,label", *(f"more/{index}.jpg,a" for index in range(4)), *["more/0.jpg,"] * 12)
    assert "12 problems in " in str(caught.value)
    assert "2 more (12 in all)" in str(caught.value)
