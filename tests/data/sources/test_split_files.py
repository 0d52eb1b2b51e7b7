import numpy as np
import pytest
from PIL import Image

from bakeoff.data.sources.split_files import list_split_files
from bakeoff.errors import BakeoffError


def edit(directory, split, change):
    file = directory / "splits" / f"{split}.txt"
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")


def test_the_stl10_images_have_the_known_statistics(load, stl10_dir):
    data = load(f"splits:{stl10_dir}")
    assert (len(data.train), len(data.val), len(data.test)) == (5000, 1000, 2000)
    assert np.round(data.mean, 4).tolist() == [0.4468, 0.4399, 0.4068]
    assert np.round(data.std, 4).tolist() == [0.2419, 0.2384, 0.2541]
    assert data.class_names[0] == "airplane"
    assert data.class_names[9] == "truck"
    # A file's name ends in its class, counted from 1.
    for split in (data.train, data.val, data.test):
        assert [int(image_id[:-4].split("_")[1]) - 1 for image_id in split.ids] == split.labels.tolist()


def test_each_image_is_pillows_bilinear_reduction_of_its_file(load, photographs):
    data = load(f"splits:{photographs}")
    for index in (0, 17, 399):
        with Image.open(photographs / data.test.ids[index]) as image:
            expected = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(data.test.images[index], expected)


def test_the_published_loss_of_the_first_line_can_be_repeated(load, splits_dir, photographs):
    data = load(f"splits:{splits_dir}", first_line_is_header=True)
    assert data.train.ids == tuple(f"pictures/train {index}.png" for index in (1, 2, 3))
    assert data.val.ids == ("pictures/val 1.png",)
    assert any("first line" in note for note in data.notes)
    published = list_split_files(photographs, first_line_is_header=True)
    assert [len(published.splits[name]) for name in ("train", "val", "test")] == [599, 199, 399]
    second_line = (photographs / "splits" / "train.txt").read_text().splitlines()[1]
    assert f"{published.splits['train'][0].id} {published.splits['train'][0].label}" == second_line


def test_paths_may_hold_spaces_and_integer_labels_are_their_own_names(load, splits_dir):
    data = load(f"splits:{splits_dir}")
    assert data.train.ids == tuple(f"pictures/train {index}.png" for index in range(4))
    assert data.train.labels.tolist() == [0, 1, 0, 1]
    assert data.class_names == ("0", "1")
    assert data.notes == ()


def test_class_names_as_labels_are_sorted(load, splits_dir):
    for split in ("train", "val", "test"):
        edit(
            splits_dir, split, lambda text: text.replace(".png 0", ".png zebra").replace(".png 1", ".png ape")
        )
    data = load(f"splits:{splits_dir}")
    assert data.class_names == ("ape", "zebra")
    assert data.train.labels.tolist() == [1, 0, 1, 0]


def test_class_names_file_gives_the_order_for_names_and_integers_alike(load, splits_dir):
    (splits_dir / "class_names.txt").write_text("zebra\nape\n")
    edit(splits_dir, "train", lambda text: text.replace(".png 0", ".png zebra"))
    data = load(f"splits:{splits_dir}")
    assert data.class_names == ("zebra", "ape")
    assert data.train.labels.tolist() == [0, 1, 0, 1]


def test_byte_order_mark_crlf_and_names_outside_ascii_are_read(load, splits_dir, write_image):
    name = "pictures/über \u2028 зебра.png"
    write_image(splits_dir / name, seed=50)
    file = splits_dir / "splits" / "train.txt"
    text = file.read_text() + f"{name} 1\n"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    data = load(f"splits:{splits_dir}")
    assert data.train.ids[0] == "pictures/train 0.png"
    assert data.train.ids[-1] == name
    assert data.train.labels.tolist() == [0, 1, 0, 1, 1]


def test_missing_splits_are_cut_from_train_and_told(load, splits_dir, write_image):
    (splits_dir / "splits" / "val.txt").unlink()
    (splits_dir / "splits" / "test.txt").unlink()
    edit(splits_dir, "train", lambda text: text + "pictures/val 0.png 0\npictures/val 1.png 1\n")
    data = load(f"splits:{splits_dir}")
    assert (len(data.train), len(data.val), len(data.test)) == (2, 2, 2)
    assert len({*data.train.ids, *data.val.ids, *data.test.ids}) == 6
    assert any("no val and no test" in note and "split seed 0" in note for note in data.notes)


@pytest.mark.parametrize(
    ("split", "change", "words"),
    [
        ("val", lambda text: text + "just-a-path.png\n", ["val.txt:3", "just-a-path.png", "PATH LABEL"]),
        ("val", lambda text: text + "pictures/none.png 1\n", ["val.txt:3", "no file", "pictures/none.png"]),
        ("train", lambda text: text + "pictures 1\n", ["train.txt:5", "no file"]),
        (
            "train",
            lambda text: text + "./pictures/train 1.png 1\n",
            ["train.txt:5", "already listed", "train.txt:2"],
        ),
        (
            "test",
            lambda text: text + "pictures/train 1.png 1\n",
            ["test.txt:3", "already listed", "train.txt:2"],
        ),
        ("test", lambda text: "", ["test.txt", "lists no image"]),
        (
            "test",
            lambda text: text.replace(".png 1", ".png 2"),
            ["(label 2)", "no image in train", "test has 1"],
        ),
        ("test", lambda text: text.replace(".png 1", ".png 7"), ["test.txt:2", "label 7", "outside"]),
        ("val", lambda text: text.replace(".png 1", ".png -1"), ["val.txt:2", "label -1", "outside"]),
        (
            "val",
            lambda text: text.replace(".png 1", ".png cat"),
            ["train.txt:1", "integer label 0", "val.txt:2", "'cat'"],
        ),
        ("train", lambda text: text.replace(".png 1", ".png 0"), ["'1'", "no image in train"]),
    ],
)
def test_a_bad_line_is_refused_with_file_and_line(load, splits_dir, split, change, words):
    edit(splits_dir, split, change)
    with pytest.raises(BakeoffError) as caught:
        load(f"splits:{splits_dir}")
    for word in words:
        assert word in str(caught.value)


def test_labels_that_count_from_one_are_read_and_reported(load, splits_dir):
    for split in ("train", "val", "test"):
        edit(splits_dir, split, lambda text: text.replace(".png 1", ".png 2").replace(".png 0", ".png 1"))
    data = load(f"splits:{splits_dir}")
    assert data.train.labels.tolist() == [0, 1, 0, 1]
    assert data.class_names == ("1", "2")
    assert data.notes == ("The labels count from 1: label 1 is class '1'.",)


def by_line(change):
    """Change each line PATH LABEL of a text, given both and the number of the line."""

    def change_text(text):
        rows = [line.rsplit(" ", 1) for line in text.splitlines()]
        return "".join(change(path, label, number) + "\n" for number, (path, label) in enumerate(rows))

    return change_text


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (by_line(lambda path, label, _: f"{path} {label}".replace("/", "\\")), None),
        (by_line(lambda path, label, _: f'"{path}" {label}'), None),
        (by_line(lambda path, label, _: f"'{path}'  '{label}' "), None),
        (by_line(lambda path, label, _: f"  {path}\t{label}"), None),
        (by_line(lambda path, label, _: f"{path[:-4]} {label}"), None),
        (by_line(lambda path, label, _: f"Pictures{path[8:].upper()} {label}"), None),
        (by_line(lambda path, label, _: f"{path.replace(' ', '%20')} {label}"), None),
        (by_line(lambda path, label, _: f"{path} {label}\n"), None),
        (lambda text: text.replace("\n", "\r"), None),
        (lambda text: "\ufeff" + text, None),
        (by_line(lambda path, label, _: f"{path}, {label}"), "separated by a comma"),
        (by_line(lambda path, label, _: f"{path};{label}"), "separated by a semicolon"),
        (by_line(lambda path, label, _: f"{path} | {label}"), "separated by a bar"),
        (by_line(lambda path, label, _: f"{path}: {label}"), "separated by a colon"),
        (by_line(lambda path, label, _: f"{label} {path}"), "read as label and path."),
        (by_line(lambda path, label, _: f'{label},"{path}"'), "label and path, separated by a comma"),
        (by_line(lambda path, label, _: f"/home/anna/my data/{path} {label}"), "'/home/anna/my data/'"),
        (by_line(lambda path, label, _: f"C:\\data\\{path} {label}".replace("/", "\\")), "'C:/data/'"),
        (by_line(lambda path, label, _: f"../{path} {label}"), "'../'"),
        (lambda text: "path label\n" + text, "'path label', was read as a header"),
        (lambda text: "image,label\n" + text.replace(".png ", ".png,"), "was read as a header"),
        (lambda text: "# labels of May\n" + text, "Passed over 1 comment (#) in train.txt."),
        (by_line(lambda path, label, _: f"{path.partition('/')[2]} {label}"), "in the folder 'pictures'"),
    ],
)
def test_lines_are_read_as_people_write_them(load, splits_dir, change, note):
    expected = load(f"splits:{splits_dir}")
    for split in ("train", "val", "test"):
        edit(splits_dir, split, change)
    data = load(f"splits:{splits_dir}")
    assert data.fingerprint == expected.fingerprint
    assert note in " ".join(data.notes) if note else data.notes == ()


def test_utf_16_with_a_mark_is_read(load, splits_dir):
    expected = load(f"splits:{splits_dir}")
    file = splits_dir / "splits" / "val.txt"
    file.write_bytes(file.read_text(encoding="utf-8").encode("utf-16"))
    assert load(f"splits:{splits_dir}").fingerprint == expected.fingerprint


def test_labels_after_a_separator_may_have_blanks(load, splits_dir):
    for split in ("train", "val", "test"):
        edit(splits_dir, split, by_line(lambda path, label, _: f"{path}\tbig {'ape' * int(label)}"))
    assert load(f"splits:{splits_dir}").class_names == ("big", "big ape")


def test_images_that_no_line_lists_are_counted(load, splits_dir):
    edit(splits_dir, "train", lambda text: text[: text.index("pictures/train 2")])
    assert load(f"splits:{splits_dir}").notes == ("Ignored 2 images in the same folders that no line lists.",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (by_line(lambda path, label, number: f"{number},{path},{label}"), r"a table, use csv:.*train.txt"),
        (
            by_line(lambda path, label, _: f"{path[:-4]}.jpg {label}"),
            r"0.jpg' in .*; there is 'pictures/train",
        ),
    ],
)
def test_lines_that_are_not_understood_name_the_cause(load, splits_dir, change, message):
    edit(splits_dir, "train", change)
    with pytest.raises(BakeoffError, match=message):
        load(f"splits:{splits_dir}")


def test_names_that_differ_in_case_are_asked_back(load, splits_dir):
    edit(
        splits_dir, "train", lambda text: text.replace("0.png 0", "0.png Cat").replace("2.png 0", "2.png cat")
    )
    edit(splits_dir, "train", lambda text: text.replace(".png 1", ".png dog"))
    for split in ("val", "test"):
        (splits_dir / "splits" / f"{split}.txt").unlink()
    with pytest.raises(BakeoffError, match=r"'Cat' and 'cat' differ only in case; .*class_names.txt"):
        load(f"splits:{splits_dir}")


@pytest.mark.parametrize("label", ["2", "lion"])
def test_labels_outside_the_named_classes_are_refused(load, splits_dir, label):
    (splits_dir / "class_names.txt").write_text("ape\nzebra\n")
    edit(splits_dir, "val", lambda text: text.replace(".png 1", f".png {label}"))
    with pytest.raises(BakeoffError, match=rf"val.txt:2: label '{label}' is outside the classes.*0..1"):
        load(f"splits:{splits_dir}")


def test_a_class_that_only_test_has_is_refused(load, splits_dir):
    (splits_dir / "class_names.txt").write_text("ape\nzebra\nlion\n")
    edit(splits_dir, "test", lambda text: text.replace(".png 1", ".png lion"))
    with pytest.raises(BakeoffError, match=r"'lion' .*no image in train, while test has 1"):
        load(f"splits:{splits_dir}")


def test_bad_lines_are_listed_together(load, splits_dir):
    edit(splits_dir, "train", lambda text: text + "".join(f"pictures/none {i}.png 0\n" for i in range(12)))
    with pytest.raises(BakeoffError) as caught:
        load(f"splits:{splits_dir}")
    message = str(caught.value)
    assert message.startswith("12 problems")
    assert "none 9.png" in message
    assert "none 10.png" not in message
    assert "2 more (12 in all)" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"ape\n\nzebra\n", "txt:2: empty line"), (b"ape\nape\n", "txt:2: class 'ape'"), (b"", "empty"),
     (b"\xff", "not UTF-8")],
)  # fmt: skip
def test_a_bad_class_names_file_is_refused(load, splits_dir, content, words):
    (splits_dir / "class_names.txt").write_bytes(content)
    with pytest.raises(BakeoffError, match=words):
        load(f"splits:{splits_dir}")


def test_a_folder_without_split_files_is_told_what_was_expected(load, splits_dir):
    with pytest.raises(BakeoffError, match=r"no file .*train.txt.*expected splits/train.txt.*PATH LABEL"):
        load(f"splits:{splits_dir / 'pictures'}")
    with pytest.raises(BakeoffError, match=r"did you mean splits:.*my images"):
        load(f"splits:{splits_dir / 'splits'}")


def test_moving_the_folder_changes_nothing_but_the_source(load, splits_dir):
    before = load(f"splits:{splits_dir}")
    moved = splits_dir.rename(splits_dir.parent / "elsewhere")
    after = load(f"splits:{moved}")
    assert after.fingerprint == before.fingerprint
    assert after.source == f"splits:{moved}"
