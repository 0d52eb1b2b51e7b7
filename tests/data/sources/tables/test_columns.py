import pytest

from bakeoff.data.sources.tables.columns import find_columns
from bakeoff.data.sources.tables.reading import read_table
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings


@pytest.fixture
def folder(tmp_path):
    for index in range(4):
        (tmp_path / f"{index}.png").touch()
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / f"p{index}.jpg").touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "p0.jpg").touch()
    return tmp_path


@pytest.fixture
def find(folder):
    def find_in(*lines, **settings):
        file = folder / "table.csv"
        file.write_text("\n".join(lines))
        found = find_columns(file, read_table(file), DataSettings(**settings))
        return found.positions, [row.cells for row in found.rows], found.finder.folder, found.notes

    return find_in


def test_the_names_of_the_header_count_in_any_order_and_case(find, folder):
    rows = [["x", "a", "0.png", "train"], ["y", "b", "1.png", "test"]]
    positions, data, images, notes = find("Group, LABEL, Image , split", *map(",".join, rows))
    assert positions == {"image": 2, "label": 1, "split": 3, "group": 0}
    assert (data, images, notes) == (rows, folder, [])


def test_the_settings_name_other_columns(find):
    columns = {"image": "file", "label": "kind", "group": "patient"}
    found = find("file,kind,label,patient", "0.png,a,x,p", "1.png,b,y,q", columns=columns)
    assert found[0] == {"image": 0, "label": 1, "group": 3}
    assert found[3] == []


@pytest.mark.parametrize(
    ("lines", "positions", "notes"),
    [
        (("file_name,label", "0.png,a"), (0, 1), []),
        (("id,label", "0,a", "1,b"), (0, 1), ["The column 'id' is read as image."]),
        # Labels that are names of files as well: the named column is the image, or the one with whole names.
        (("image,label", "3,0", "2,1"), (0, 1), []),
        (("id,breed", "3.png,0", "2.png,1"), (0, 1),
         ["The column 'id' is read as image.", "The column 'breed' is read as label."]),
        (("breed,id", "a,0.png", "b,1.png"), (1, 0),
         ["The column 'id' is read as image.", "The column 'breed' is read as label."]),
        (("image,label", "a,0.png", "b,1.png"), (1, 0),
         ["The column 'label' is read as image.", "The column 'image' is read as label."]),
        (("image,label", "0,3.png", "1,2.png"), (1, 0),
         ["The column 'label' is read as image.", "The column 'image' is read as label."]),
        (("id,path,class,note", "9,0.png,a,x", "8,1.png,b,y"), (1, 2),
         ["The column 'path' is read as image.", "The column 'class' is read as label."]),
        (("id,path,label", "0,0.png,a", "1,1.png,b"), (1, 2), ["The column 'path' is read as image."]),
        ((",image,label", "0,0.png,a", "1,1.png,b"), (1, 2), []),  # as pandas writes it
        ((",id,breed", "0,2.png,a", "1,3.png,b"), (1, 2),
         ["The column 'id' is read as image.", "The column 'breed' is read as label."]),
    ],
)  # fmt: skip
def test_what_is_plainly_meant_is_read_and_reported(find, lines, positions, notes):
    found = find(*lines)
    assert (found[0]["image"], found[0]["label"]) == positions
    assert found[3] == notes


def test_a_table_without_header_is_read(find):
    positions, data, _, notes = find("0.png,a", "1.png,b", "2.png,a")
    assert positions == {"image": 0, "label": 1}
    assert data == [["0.png", "a"], ["1.png", "b"], ["2.png", "a"]]
    assert notes[0] == "The table has no header."


def test_columns_of_zeros_and_a_one_are_read_as_their_names(find):
    rows = ["0.png,1.0,0.0,35", "1.png,0.0,1.0,41", "2.png,1,0,52"]
    positions, data, _, notes = find("image,cat,dog,age", *rows)
    assert [cells[positions["label"]] for cells in data] == ["cat", "dog", "cat"]
    assert notes == ["The label of an image is the name of the column in which it has a 1."]
    with pytest.raises(BakeoffError, match="which column is the label"):
        find("image,cat,dog", "0.png,1,1", "1.png,0,1")


def test_the_folder_of_another_machine_is_left_out(find):
    found = find("image,label", "/home/anna/data/0.png,a", "/home/anna/data/1.png,b")
    assert found[3] == ["The beginning of the paths, '/home/anna/data/', was left out."]


def test_the_folder_that_has_the_images_is_found(find, folder):
    for lines in (("id,label", "p0,a", "p1,b"), ("p0.jpg,a", "p1.jpg,b")):
        found = find(*lines)
        assert found[2] == folder / "photos"
        assert found[3][0] == "The images are in the folder 'photos'."
    assert find("id,label", "p0,a", image_folder="photos")[2:] == (
        folder / "photos", ["The column 'id' is read as image."]
    )  # fmt: skip
    assert find("id,label", "p0,a", image_folder=f"{folder}/photos")[2] == folder / "photos"


def test_most_of_the_images_tell_the_column_though_some_are_missing(find):
    assert find("id,breed", "0,a", "9,a", "1,a")[0]["image"] == 0


@pytest.mark.parametrize(
    ("lines", "settings", "message"),
    [
        (("id,age,breed", "0.png,3,a"), {}, r"which column is the label\? Beside 'id' there are "
         r"\['age', 'breed'\]; set data.columns, as in data.columns.label = 'age'"),
        (("image,", "0.png,"), {}, "Beside 'image' there is no other; set data.columns"),
        (("id,other,label", "0.png,1.png,a"), {}, r"the image\? The cells of \['id', 'other'\] name"),
        (("id,label", "no.png,a"), {}, r"no file 'no.png' or 'a' in .*image_folder .*\['id', 'label'\]"),
        (("image,label", "no.png,a"), {}, r"no file 'no.png' in .*set data.image_folder"),
        (("image,label", "p0,a"), {"image_folder": "none"}, "no folder .*none, which data.image_folder"),
        (("id,label", "0.png,a"), {"columns": {"image": "idd"}},
         r"has no column 'idd', which data.columns.image names; did you mean 'id'\? \(columns: "),
        (("id,id,label", "0.png,1,a"), {"columns": {"image": "id"}}, "has several columns 'id'"),
        (("image,image", "0.png,1.png"), {}, "has several columns 'image'; rename or remove all but one"),
        (("0.png,a,train", "1.png,b,test"), {}, "table.csv:1: no header, and 3 columns; write a first line"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_asked_back(find, lines, settings, message):
    with pytest.raises(BakeoffError, match=message):
        find(*lines, **settings)


def test_several_folders_with_the_images_are_asked_back(find, folder):
    (folder / "thumbnails").mkdir()
    (folder / "thumbnails" / "p0.jpg").touch()
    with pytest.raises(BakeoffError, match="images of these names, photos and thumbnails; set"):
        find("id,label", "p0,a")
