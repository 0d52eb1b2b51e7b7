"""Files of predictions that go together, and those that do not."""

import random
from pathlib import Path

import numpy as np
import pytest
from tests.prediction_files.writing import HEADER, HEADER_P, ROWS, WITH_P, same, write, write_npz

from bakeoff.analysis.comparison.compare import compare
from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions
from bakeoff.prediction_files.assembling import assemble
from bakeoff.prediction_files.npz_file import read_npz


def test_permuting_rows_and_splitting_into_files_changes_nothing(tmp_path: Path) -> None:
    rng = random.Random(0)
    whole = read_predictions([write(tmp_path / "p.csv", HEADER_P, WITH_P)])
    rows = WITH_P[:1] + rng.sample(WITH_P[1:], len(WITH_P) - 1)
    files = [write(tmp_path / "a.csv", HEADER_P, rows[:2]), write(tmp_path / "b.csv", HEADER_P, rows[2:])]
    assert same(read_predictions(files), whole)
    assert compare(read_predictions(files)).to_dict() == compare(whole).to_dict()


def test_npz_and_csv_of_the_same_images_go_together(tmp_path: Path) -> None:
    npz = write_npz(tmp_path / "run.npz", "a", 0)
    names = ("cat", "dog", "ship")
    rows = [f"b,0,{number}.png,{names[number % 3]},cat" for number in range(6)]
    found = read_predictions([npz, write(tmp_path / "b.csv", HEADER, rows)])
    assert found.class_names == names
    assert (found.correct("b")[0] == [True, False, False, True, False, False]).all()
    with pytest.raises(
        BakeoffError, match=r"b\.csv line 3: the label 'frog' is none of the classes cat, dog"
    ):
        read_predictions([npz, write(tmp_path / "b.csv", HEADER, [rows[0], rows[1].replace("dog", "frog")])])


def test_the_probabilities_of_files_are_in_memory_once(tmp_path: Path) -> None:
    files = [write_npz(tmp_path / f"{recipe}{seed}.npz", recipe, seed) for recipe in "ab" for seed in (1, 0)]
    tables = [read_npz(file) for file in files]
    expected = np.stack([tables[1].probabilities, tables[0].probabilities])
    found = assemble(tables)
    assert found.recipe("a").seeds == (0, 1)
    np.testing.assert_array_equal(found.recipe("a").probabilities, expected)
    assert [table.probabilities for table in tables] == [None] * 4


def test_labels_that_differ_between_files_are_told_with_both_files(tmp_path: Path) -> None:
    first = write_npz(tmp_path / "a.npz", "a", 0)
    second = write_npz(tmp_path / "b.npz", "b", 0, test_labels=np.array([0, 1, 2, 0, 1, 0]))
    with pytest.raises(BakeoffError, match=r"image '5.png' is 'ship' in .*a\.npz and 'cat' in .*b\.npz"):
        read_predictions([first, second])


WITH_GROUP = [f"{row},{'p1' if 'one.png' in row else 'p2'}" for row in ROWS]


def test_groups_of_images_are_read_from_any_file_that_names_them(tmp_path: Path) -> None:
    with_group = write(tmp_path / "p.csv", HEADER + ",group", WITH_GROUP)
    assert read_predictions([with_group]).groups is None  # each image is alone in its group
    same_group = write(tmp_path / "q.csv", HEADER + ",group", [f"{row}, p7" for row in ROWS[:2]])
    rest = write(tmp_path / "r.csv", HEADER, ROWS[2:])
    assert read_predictions([same_group, rest]).groups.tolist() == [0, 0]
    assert read_predictions([rest, same_group]).num_groups == 1


def refusals() -> dict[str, tuple[str, list[str], str]]:
    dog_p = ",0.25,0.75"
    return {
        "duplicate row": (
            HEADER,
            [*ROWS, ROWS[1]],
            r"1 prediction occurs more than once:\n"
            r"  recipe 'plain' seed 0 image 'two.png': .*p\.csv line 3 and .* line 8",
        ),
        "missing image": (
            HEADER,
            ROWS[:-1],
            r"1 prediction is missing:\n  recipe 'wide' seed 0 image 'two.png'",
        ),
        "other images": (
            HEADER,
            [*ROWS[:-1], "wide,0,three.png,dog,dog"],
            r"the same 3 images; 3 predictions are missing:\n  recipe 'plain' seed 0 image 'three.png'",
        ),
        "other label": (
            HEADER,
            [*ROWS[:-1], "wide,0,two.png,cat,dog"],
            r"different labels:\n  image 'two.png' is 'dog' in .*p\.csv line 3 and 'cat' in .*p\.csv line 7",
        ),
        "other group": (
            HEADER + ",group",
            [*WITH_GROUP[:-1], ROWS[-1] + ",p1"],
            r"different groups:\n  image 'two.png' is 'p2' in .*p\.csv line 3 and 'p1' in .*p\.csv line 7",
        ),
        "empty group": (
            HEADER + ",group",
            [*WITH_GROUP[:-1], ROWS[-1] + ","],
            r"line 7: the column 'group' is empty",
        ),
        "label outside": (
            HEADER_P,
            [*WITH_P, "wide,1,one.png,frog,dog" + dog_p],
            r"line 8: the label 'frog' is none of the classes cat, dog",
        ),
        "prediction outside": (
            HEADER_P,
            [*WITH_P, "wide,1,one.png,dog,frog" + dog_p],
            r"line 8: the prediction 'frog' is none of the classes",
        ),
    }


@pytest.mark.parametrize("kind", refusals())
def test_a_csv_file_with_a_mistake_is_refused(tmp_path: Path, kind: str) -> None:
    header, rows, message = refusals()[kind]
    path = write(tmp_path / "p.csv", header, rows)
    with pytest.raises(BakeoffError, match=message) as refused:
        read_predictions([path])
    assert str(path) in str(refused.value) or "missing" in str(refused.value)


def test_many_offenders_are_counted(tmp_path: Path) -> None:
    rows = [f"{recipe},0,{number:02}.png,cat,cat" for recipe in "ab" for number in range(30)]
    with pytest.raises(
        BakeoffError, match=r"(?s)25 predictions are missing.*05\.png.*and 15 more"
    ) as refused:
        read_predictions([write(tmp_path / "p.csv", HEADER, rows[:35])])
    assert str(refused.value).count("recipe 'b'") == 10


def test_mixed_up_columns_do_not_take_all_memory(tmp_path: Path) -> None:
    """Every row a run of its own with an image of its own: 30,000 x 30,000 cells."""
    rows = [f"r{number},{number},{number}.png,cat,cat" for number in range(30_000)]
    with pytest.raises(BakeoffError, match="899,970,000 predictions are missing"):
        read_predictions([write(tmp_path / "p.csv", HEADER, rows)])


def test_images_without_a_group_beside_some_with_one_are_refused(tmp_path: Path) -> None:
    some = write(tmp_path / "a.csv", HEADER + ",group", [f"{ROWS[0]},p1"])
    others = write(tmp_path / "b.csv", HEADER, ROWS[1:])
    with pytest.raises(
        BakeoffError, match=r"1 image without a group, first 'two\.png'.*all files, or in none"
    ):
        read_predictions([some, others])
