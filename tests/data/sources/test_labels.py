import numpy as np
import pytest

from bakeoff.data.sources.labels import Names, number_labels, read_labels, sorted_names, unused_names_note
from bakeoff.errors import BakeoffError

NAMED = Names(("cat", "dog", "fox"), "names.txt")


def read(*texts, names=None):
    return read_labels(texts, lambda index: f"file:{index + 1}", names, "write names.txt")


@pytest.mark.parametrize(
    ("texts", "names", "class_names", "indices"),
    [
        (("0", "1", "2", "0"), None, ("0", "1", "2"), [0, 1, 2, 0]),
        (("2.0", "0.0", "1.0"), None, ("0", "1", "2"), [2, 0, 1]),
        (("dog", "cat", "dog"), None, ("cat", "dog"), [1, 0, 1]),
        (("0", "2", "1"), NAMED, ("cat", "dog", "fox"), [0, 2, 1]),
        (("fox", "cat", "1"), NAMED, ("cat", "dog", "fox"), [2, 0, 1]),
        (("7", "5", "7"), Names(("5", "7"), "names.txt"), ("5", "7"), [1, 0, 1]),
        (("1", "10", "2"), Names(("1", "2", "10"), "names.txt"), ("1", "2", "10"), [0, 2, 1]),
    ],
)
def test_numbers_and_names_become_indices(texts, names, class_names, indices):
    assert read(*texts, names=names) == (class_names, indices, ())


def test_numbers_that_count_from_one_are_read_and_reported():
    note = "The labels count from 1: label 1 is class "
    assert read("1", "3", "2") == (("1", "2", "3"), [0, 2, 1], (note + "'1'.",))
    assert read("1", "3", names=NAMED) == (NAMED.class_names, [0, 2], (note + "'cat'.",))
    # The last name has no label, so that 1 and 2 may be what they say.
    assert read("1", "2", names=NAMED) == (NAMED.class_names, [1, 2], ())


def test_names_of_the_settings_are_reported():
    labels = number_labels(np.array([1, 0]), str, Names(("a", "b"), "data.class_names"), "")
    assert labels == (("a", "b"), [1, 0], ("The class names are those of data.class_names.",))


SET = Names(("cat", "dog"), "data.class_names")


def test_names_of_the_settings_give_the_order_of_names_and_are_left_where_none_occurs():
    assert read("dog", "cat", names=SET) == (("cat", "dog"), [1, 0], ())
    assert read("pug", "boxer", names=SET) == (("boxer", "pug"), [1, 0], ())
    with pytest.raises(BakeoffError, match=r"file:2: label 'cow' is outside .* a name of data.class_names"):
        read("cat", "cow", names=SET)


def test_settings_that_are_not_used_are_reported():
    assert unused_names_note(("a", "b"), None) == unused_names_note(("a", "b"), ("a", "b")) == ()
    (note,) = unused_names_note(("a", "b"), ("b", "a"))
    assert note == "data.class_names was not used: the source has class names of its own."


@pytest.mark.parametrize(
    ("texts", "names", "message"),
    [
        (("0", "1", "3"), None, r"file:3: label 3 is outside .*no image has label 2.*write names.txt"),
        (("0", "-1"), None, r"file:2: label -1 is outside"),
        (("0", "cat"), None, r"file:1 has the integer label 0, but file:2 the name 'cat'; .*write names.txt"),
        (
            ("0", "3"),
            NAMED,
            r"file:2: label '3' is outside the classes; expected 0..2 or a name of names.txt",
        ),
        (("cat", "3"), NAMED, r"file:2: label '3' is outside the classes"),
        (("cat", "lion"), NAMED, r"file:2: label 'lion' is outside the classes; expected 0..2 or a name of"),
        (
            ("cat", "Cat"),
            None,
            r"'Cat' and 'cat' differ only in case; write both in the same way .*write names",
        ),
        (("caf\u00e9", "cafe\u0301"), None, r"differ only in Unicode form"),
        (("7", "9"), None, r"2 problems with labels; correct them:\n  file:1: label 7"),
        (("1" * 5000, "cat"), NAMED, r"file:1: label '1+ ... 1+' is outside the classes"),
    ],
)
def test_labels_that_may_mean_something_else_are_asked_back(texts, names, message):
    with pytest.raises(BakeoffError, match=message) as caught:
        read(*texts, names=names)
    assert len(str(caught.value)) < 1000


def test_names_are_in_alphabetical_order():
    assert sorted_names({"b", "a", "c"}, "") == ("a", "b", "c")
