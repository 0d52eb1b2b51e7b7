from bakeoff.data.sources.listing import (
    natural_key,
    read_class_names,
    read_lines,
    split_named,
    split_suggested,
)


def test_lines_end_at_lf_or_crlf_and_nowhere_else(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_bytes(b"\xef\xbb\xbf" + "a b\r\n\r\nc\u2028d\x85e\nlast".encode())
    assert read_lines(file) == ["a b", "", "c\u2028d\x85e", "last"]
    file.write_bytes(b"one\n")
    assert read_lines(file) == ["one"]


def test_class_names_may_hold_spaces_and_end_with_empty_lines(tmp_path):
    file = tmp_path / "class_names.txt"
    file.write_text("polar bear\r\nкот\n\n", encoding="utf-8")
    assert read_class_names(file) == ("polar bear", "кот")


def test_numbers_in_names_sort_by_value():
    names = ["img10", "img2", "2", "10", "a", "img2b", "01", "1"]
    assert sorted(names, key=natural_key) == ["01", "1", "2", "10", "a", "img2", "img2b", "img10"]


def test_usual_names_of_splits_are_known_and_parts_of_splits_look_like_them():
    words = {"train": "train Training training_set train-data TRAINSET", "val": "val valid validation dev"}
    words["test"] = "test Testing test_set test.images"
    for split, names in words.items():
        assert {split_named(name) for name in names.split()} == {split}
    for name in ("train_1", "cats-test", "1_val", "holdout", "eval"):
        assert split_named(name) is None
        assert split_suggested(name)
    for name in ("contest", "trainer", "devil", "latest", "evaluated", "bus"):
        assert split_suggested(name) is None
