import io
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bakeoff.data.sources.parquet import list_parquet
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings

NAMES = ("cat", "dog")


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 256, (10, 10, 3), np.uint8)


def encoded(seed):
    buffer = io.BytesIO()
    Image.fromarray(pixels(seed)).save(buffer, "PNG")
    return buffer.getvalue()


def table(first, count, *, label="label", names=NAMES, **more):
    """Rows as the library `datasets` stores them."""
    images = [{"bytes": encoded(first + i), "path": f"{i}.png"} for i in range(count)]
    features = {"image": {"_type": "Image"}, label: {"_type": "ClassLabel", "names": names}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if names else {}
    columns = {"image": images, label: [i % 2 for i in range(count)], **more}
    return pa.table(columns).replace_schema_metadata(metadata)


@pytest.fixture
def folder(tmp_path):
    """Two parts of train and one each of val and test."""
    (tmp_path / "data").mkdir()
    files = (
        "train-00000-of-00002",
        "train-00001-of-00002",
        "validation-00000-of-00001",
        "test-00000-of-00001-0a1b",
    )
    for number, name in enumerate(files):
        pq.write_table(table(6 * number, 6), tmp_path / "data" / f"{name}.parquet")
    return tmp_path


def listing(path, **settings):
    return list_parquet(path, DataSettings(**settings))


def test_pixels_labels_names_and_splits_are_those_of_the_files(load, folder):
    data = load(f"parquet:{folder}", image_size=10)
    expected = {"train": range(12), "val": range(12, 18), "test": range(18, 24)}
    for split, seeds in expected.items():
        np.testing.assert_array_equal(data.split(split).images, [pixels(seed) for seed in seeds])
        assert data.split(split).labels.tolist() == [0, 1] * (len(seeds) // 2)
    assert data.class_names == NAMES
    assert data.train.ids[7] == "data/train-00001-of-00002.parquet:1"
    assert data.notes == ()


def test_one_file_is_train_and_missing_splits_are_cut(load, tmp_path):
    pq.write_table(table(0, 20), tmp_path / "0000.parquet")
    data = load(f"parquet:{tmp_path / '0000.parquet'}")
    assert len(data.train) + len(data.val) + len(data.test) == 20
    assert data.train.ids[0].startswith("0000.parquet:")


def test_a_folder_may_stand_for_the_split_and_other_files_are_counted(folder):
    for split in ("train", "test"):
        (folder / "converted" / split).mkdir(parents=True)
        pq.write_table(table(0, 4), folder / "converted" / split / "0000.parquet")
    (folder / "converted" / "extra").mkdir()
    pq.write_table(table(0, 4), folder / "converted" / "extra" / "0000.parquet")
    found = listing(folder / "converted")
    assert {split: len(images) for split, images in found.splits.items()} == {"test": 4, "train": 4}
    assert found.notes == ("Ignored 1 file that no split is named after.",)


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        (table(0, 4), {}),
        (table(0, 4, label="breed"), {}),
        (table(0, 4, size=[7, 8, 9, 1], text=list("wxyz")), {}),
        (table(0, 4, label="fine", coarse=[0] * 4), {"columns": {"label": "fine"}}),
        (
            table(0, 4).rename_columns(["img", "label"]).replace_schema_metadata(table(0, 4).schema.metadata),
            {},
        ),
        (table(0, 4).set_column(0, "image", [[encoded(seed) for seed in range(4)]]), {}),
        (table(0, 4).set_column(1, "label", [["cat", "dog"] * 2]).replace_schema_metadata({}), {}),
    ],
)
def test_columns_are_found_as_people_write_them(tmp_path, content, settings):
    pq.write_table(content, tmp_path / "train.parquet")
    found = listing(tmp_path, **settings)
    assert [image.label for image in found.splits["train"]] == [0, 1, 0, 1]
    assert [image.image for image in found.splits["train"]] == [encoded(seed) for seed in range(4)]
    assert found.class_names == NAMES


def test_groups_and_a_file_of_class_names_are_read(tmp_path):
    pq.write_table(table(0, 4, names=None, group=["p", "p", "q", "q"]), tmp_path / "train.parquet")
    found = listing(tmp_path)
    assert found.class_names == ("0", "1")
    assert [image.group for image in found.splits["train"]] == ["p", "p", "q", "q"]
    (tmp_path / "class_names.txt").write_text("x\ny\n")
    assert listing(tmp_path).class_names == ("x", "y")


def with_value(content, column, row, value):
    values = content.column(column).to_pylist()
    values[row] = value
    index = content.schema.names.index(column)
    return content.set_column(index, column, pa.array(values, content.schema.field(column).type))


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (table(0, 4), {"columns": {"label": "lable"}}, r"no column 'lable', which data.columns.label"),
        (table(0, 4), {"columns": {"split": "label"}}, "data.columns.split is for csv:PATH"),
        (table(0, 4), {"columns": {"image": "label"}}, "'label' is 'int64'; expected encoded images"),
        (table(0, 4), {"columns": {"label": "image"}}, "is 'struct<.*; expected whole numbers or text"),
        (table(0, 4, names=None, label="a", b=[0] * 4), {}, r"is the label\? \['a', 'b'\] may be; set"),
        (pa.table({"x": [0.5], "label": [0]}), {}, r"is the image\? None of \['x', 'label'\] can be; set"),
        (with_value(table(0, 4), "image", 2, {"bytes": None, "path": "a.png"}), {}, "row 2 has no image"),
        (with_value(table(0, 4), "image", 2, None), {}, "row 2 has no image"),
        (with_value(table(0, 4), "label", 3, None), {}, "row 3 has no label"),
        (with_value(table(0, 4), "label", 3, -1), {}, "row 3: label '-1' is outside the classes"),
        (table(0, 4, names=["cat", "cat"]), {}, "the class name 'cat' is empty or listed twice"),
        (table(0, 4, group=["a", None, "b", "b"]), {}, "row 1 has no group"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_labeled_images_is_refused(tmp_path, content, settings, message):
    pq.write_table(content, tmp_path / "train.parquet")
    with pytest.raises(BakeoffError, match=message):
        listing(tmp_path, **settings)


def test_missing_parts_and_different_names_are_refused(folder):
    part = folder / "data" / "train-00001-of-00002.parquet"
    pq.write_table(table(0, 4, names=("cat", "fox")), part)
    with pytest.raises(
        BakeoffError, match=r"have different class names, \('cat', 'dog'\) and \('cat', 'fox'\)|fox"
    ):
        listing(folder)
    part.unlink()
    with pytest.raises(
        BakeoffError, match=r"has 1 of the 2 parts of train-\*-of-00002.parquet; number 1 is missing"
    ):
        listing(folder)


def test_damaged_files_and_pipes_are_refused(tmp_path):
    pq.write_table(table(0, 4), tmp_path / "train.parquet")
    whole = (tmp_path / "train.parquet").read_bytes()
    for content in (b"", b"text", whole[:-9], whole[:300] + whole[400:]):
        (tmp_path / "train.parquet").write_bytes(content)
        with pytest.raises(
            BakeoffError, match=r"train.parquet cannot be read as Parquet: .*; download it again"
        ):
            listing(tmp_path)
    (tmp_path / "train.parquet").unlink()
    os.mkfifo(tmp_path / "train.parquet")
    with pytest.raises(BakeoffError, match=r"no file \*.parquet in "):
        listing(tmp_path)


def test_without_pyarrow_one_line_says_what_to_install(folder):
    code = (
        "import sys; sys.modules['pyarrow'] = None; sys.argv[1:] = ['data', 'info', sys.argv[1]]; "
        "from bakeoff.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"parquet:{folder}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    expected = (
        "parquet: needs pyarrow; in a copy of the repository: pip install -c constraints.txt '.[parquet]'"
    )
    assert done.stderr == f"error: {expected}\n"
