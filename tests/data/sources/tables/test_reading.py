import pytest

from bakeoff.data.sources.tables.reading import read_table
from bakeoff.errors import BakeoffError


@pytest.fixture
def read(tmp_path):
    def read_content(content, name="table.csv"):
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return [(row.location.removeprefix(f"{file}"), row.cells) for row in read_table(file)]

    return read_content


@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_separator_and_line_end_is_read(read, separator, end):
    content = end.join(["image,label,note", '"a b.png",cat,x', "c.png, dog ,y"]).replace(",", separator)
    assert read(content) == [
        (":1", ["image", "label", "note"]),
        (":2", ["a b.png", "cat", "x"]),
        (":3", ["c.png", "dog", "y"]),
    ]


def test_a_byte_order_mark_empty_lines_and_breaks_in_cells_are_read(read):
    content = '\ufeffimage,label\n\n"a\nb.png",cat\n,,\n   \nc.png,"a ""dog"""\n'
    assert read(content.replace(",,\n", ",\n")) == [
        (":1", ["image", "label"]),
        (":3", ["a\nb.png", "cat"]),
        (":7", ["c.png", 'a "dog"']),
    ]


def test_a_separator_inside_of_cells_separates_nothing(read):
    assert read("image\tlabel\na.png\tcat, big\nb.png\tdog\n")[1][1] == ["a.png", "cat, big"]
    assert read("image;label\na.png;cat, big\nb.png;dog, small\n")[1][1] == ["a.png", "cat, big"]
    assert read('image,label\n"a;1.png",cat\n"b;2.png",dog\n')[1][1] == ["a;1.png", "cat"]


def test_two_columns_may_be_separated_by_blanks_and_a_text_be_utf_16(read):
    rows = [(":1", ["a big cat.png", "0"]), (":2", ["b.png", "1"])]
    assert read("a big cat.png 0\n'b.png'   1 \n\n") == rows
    assert read('"a big cat.png" "0"\r"b.png"\t1\r') == rows
    assert read("a big cat.png|0\nb.png| 1\n".encode("utf-16")) == rows


def test_json_lines_are_read_with_the_keys_as_header(read):
    lines = '{"file_name": "a.png", "label": 3}\n\n{"label": null, "file_name": " b.png", "more": [1]}\n'
    assert read(lines, "metadata.jsonl") == [
        ("", ["file_name", "label", "more"]),
        (":1", ["a.png", "3", ""]),
        (":3", ["b.png", "", "[1]"]),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "has no row; expected a header and a row per image"),
        ("t.csv", "image,label\n", "has one row; expected a header and a row per image"),
        ("t.csv", "a.png\nb.png\n", "only one column, 'a.png'; .*splits:DIR"),
        ("t.csv", "image,label\na,b,c\nd\n", r"t.csv:2: 3 cells, but the first row has 2\n"),
        ("t.csv", 'image,label\n"a"b,c\n', "t.csv:2: not CSV .*; correct the line"),
        ("t.csv", 'image,label\n"a,c\n', "t.csv:2: not CSV"),
        ("t.csv", "image,label\n" + "a" * 200_000 + ",b\n", "t.csv:2: not CSV .*field larger"),
        ("t.csv", b"i\xff", "t.csv is not UTF-8 text .*; save it as UTF-8"),
        ("t.csv", b"image,label\na\0,b\n", "t.csv:2: a NUL character"),
        ("t.jsonl", '{"a": 1, "b": 2}\n{"a": \n', "t.jsonl:2: not JSON .*; correct the line"),
        ("t.jsonl", '{"a": 1, "b": 2}\n[1]\n', r"t.jsonl:2: \[1\]; expected a JSON object per line"),
        ("t.jsonl", "[" * 100_000, "t.jsonl:1: not JSON"),
        ("t.jsonl", '{"a": ' + "9" * 5000 + "}", "t.jsonl:1: not JSON"),
        ("t.jsonl", "".join(f'{{"{i}": 1}}\n' for i in range(1001)), "1,001 different keys"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(read, name, content, message):
    with pytest.raises(BakeoffError, match=message):
        read(content, name)
