"""Predictions from CSV: what is read, and what is refused with which words."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from tests.prediction_files.writing import HEADER, HEADER_P, ROWS, WITH_P, same, write

from bakeoff.analysis.comparison.compare import compare
from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions


def test_a_csv_file_is_read(tmp_path: Path) -> None:
    found = read_predictions([write(tmp_path / "p.csv", HEADER, ROWS)])
    assert found.class_names == ("cat", "dog")
    assert found.image_ids == ("one.png", "two.png")
    assert found.labels.tolist() == [0, 1]
    assert [recipe.name for recipe in found.recipes] == ["plain", "wide"]
    assert found.recipe("plain").seeds == (0, 1)
    assert found.recipe("plain").predicted.tolist() == [[0, 0], [1, 1]]
    assert found.recipe("wide").predicted.tolist() == [[0, 1]]
    assert found.recipe("wide").probabilities is None


def test_probabilities_are_read_and_the_classes_they_name_kept_in_order(tmp_path: Path) -> None:
    header = HEADER + ",p_dog,p_cat,p_never"
    rows = [f"{row},0.25,0.7504,0" if row.endswith("cat") else f"{row},0.75,0.25,0" for row in ROWS]
    found = read_predictions([write(tmp_path / "p.csv", header, rows)])
    assert found.class_names == ("dog", "cat", "never")
    probabilities = found.recipe("plain").probabilities
    assert probabilities is not None
    assert probabilities.sum(axis=2) == pytest.approx(np.ones((2, 2)))
    assert probabilities[1, 0] == pytest.approx([0.75, 0.25, 0])
    assert found.labels.tolist() == [1, 0]


def test_columns_in_any_order_blanks_quotes_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    plain = read_predictions([write(tmp_path / "p.csv", HEADER, ROWS)])
    shuffled = ["label,extra,image, recipe ,seed,prediction"] + [
        f'"{label}",x, {image},{recipe} ,{seed}, {prediction}\n'
        for recipe, seed, image, label, prediction in (row.split(",") for row in ROWS)
    ]
    other = tmp_path / "q.csv"
    other.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(shuffled).encode())
    assert same(read_predictions([other]), plain)


def test_names_may_hold_commas_line_ends_and_any_script(tmp_path: Path) -> None:
    rows = [row.replace("one.png", '"a,""b""\nc é 猫"') for row in ROWS]
    found = read_predictions([write(tmp_path / "p.csv", HEADER, rows)])
    assert 'a,"b"\nc é 猫' in found.image_ids
    rows[-1] = rows[-1].replace("wide,0", "wide,x")
    with pytest.raises(BakeoffError, match=r"p\.csv line 10: seed is 'x'"):
        read_predictions([write(tmp_path / "p.csv", HEADER, rows)])


def test_integer_classes_are_ordered_as_numbers(tmp_path: Path) -> None:
    rows = [row.replace("cat", "2").replace("dog", "10") for row in ROWS]
    assert read_predictions([write(tmp_path / "p.csv", HEADER, rows)]).class_names == ("2", "10")


def in_semicolons(rows: list[str]) -> list[str]:
    return [row.replace(",", ";") for row in rows]


@pytest.mark.parametrize(
    ("header", "rows", "note"),
    [
        (f"idx,{HEADER_P}", [f"{i},{row}" for i, row in enumerate(WITH_P)], None),
        (f",,{HEADER_P}", [f"{i},{i},{row}" for i, row in enumerate(WITH_P)], None),
        (
            HEADER_P,
            [f"{i},{row}" for i, row in enumerate(WITH_P, 1)],
            "as an index.",
        ),
        (
            HEADER_P.replace(",", ";"),
            [row.replace(".7", ",7").replace(".2", ",2") for row in in_semicolons(WITH_P)],
            "semicolons between columns and decimal commas.",
        ),
        (HEADER_P.replace(",", "\t"), [row.replace(",", "\t") for row in WITH_P], "tabs"),
        (
            HEADER_P,
            [row.replace("0.75", "75").replace("0.25", "25") for row in WITH_P],
            "p_ in percent.",
        ),
        (
            HEADER_P,
            [row.replace("0.75", "75 %").replace("0.25", "25%") for row in WITH_P],
            "p_ in percent.",
        ),
        (HEADER.title() + ",p_cat,p_dog", WITH_P, None),
        (HEADER_P, [row.replace("plain,1", '"plain ", 1.0') for row in WITH_P], None),
    ],
)
def test_tables_as_people_write_them_are_read(
    tmp_path: Path, header: str, rows: list[str], note: str | None
) -> None:
    plain = read_predictions([write(tmp_path / "p.csv", HEADER_P, WITH_P)])
    found = read_predictions([write(tmp_path / "q.csv", header, rows)])
    assert same(found, plain)
    assert [note is not None and note in said for said in found.notes] == [True] * (note is not None)


def test_none_may_be_the_name_of_a_class(tmp_path: Path) -> None:
    rows = [row.replace("dog", "None") for row in ROWS]
    assert read_predictions([write(tmp_path / "p.csv", HEADER, rows)]).class_names == ("None", "cat")


def refusals() -> dict[str, tuple[str, list[str], str]]:
    return {
        "no rows": (HEADER, [], r"p\.csv has a header and no rows"),
        "recipe without name": (
            HEADER,
            [*ROWS, " ,0,one.png,cat,cat"],
            r"line 8: the column 'recipe' is empty",
        ),
        "missing column": (
            HEADER.replace("prediction", "predicted"),
            ROWS,
            r"no column 'prediction'; rename 'predicted' to 'prediction' if",
        ),
        "columns of another tool": (
            "Model,run,file,y_true,y_pred",
            ROWS,
            r"(?s)rename 'Model' to 'recipe'.*'run' to 'seed'.*'file' to 'image'.*'y_true' to 'label'"
            ".*'y_pred' to 'prediction'",
        ),
        "no seeds": (
            HEADER.replace("seed", "epochs"),
            ROWS,
            "no column 'seed'; add one, with 0 in each row if each recipe has one run",
        ),
        "two columns alike": (HEADER + ",label", ROWS, "'label' more than once"),
        "semicolons": (HEADER.replace(",", ";"), ROWS, r"rows without the 5 fields .*\n.*line 2: 1 field\n"),
        "a label that is missing": (
            HEADER,
            ["plain,0,one.png,nan,cat"],
            "line 2: the label is 'nan', a missing",
        ),
        "a prediction that is missing": (
            HEADER,
            [*ROWS, "wide,1,one.png,cat,NA"],
            "line 8: the prediction is 'NA', a missing value; each row needs a prediction",
        ),
        "one column of probabilities": (
            HEADER + ",p_dog",
            [row + ",0.5" for row in ROWS],
            "one column of probabilities, p_dog; expected one for each class. .* with 1 - p",
        ),
        "rounded probabilities": (
            HEADER_P,
            [*WITH_P[:-1], ROWS[-1] + ",0.5,0.46"],
            "line 7: the probabilities sum to 0.96; .*; give those of all classes, with more digits if",
        ),
        "logits": (
            HEADER_P,
            [*WITH_P[:-1], ROWS[-1] + ",2.5,-1.5"],
            r"line 7: a probability is negative .*if they are logits, apply the softmax first",
        ),
        "percent in some rows": (
            HEADER_P,
            [*WITH_P[:-1], ROWS[-1] + ",25,75"],
            r"line 7: the probabilities sum to 100; expected .* softmax first",
        ),
        "another kind of file": ('{"recipe": 1}', ["1"], "is not the header of a predictions file"),
        "a field too many": (
            HEADER,
            [*ROWS, "plain,2,one.png,cat,cat,dog"],
            r"rows without the 5 fields .*\n.*line 8: 6 fields",
        ),
        "seed": (HEADER, ["plain,1.5,one.png,cat,cat"], r"line 2: seed is '1\.5', expected an integer"),
        "open quote": (HEADER, ['plain,0,"one.png,cat,cat'], r"line 2 is not CSV"),
        "NaN": (HEADER_P, [*WITH_P[:-1], ROWS[-1] + ",nan,0.5"], r"line 7: a probability is NaN"),
        "infinite": (HEADER_P, [*WITH_P[:-1], ROWS[-1] + ",inf,0.5"], r"line 7: a probability is infinite"),
        "negative": (
            HEADER_P,
            [*WITH_P[:-1], ROWS[-1] + ",-0.5,1.5"],
            r"line 7: a probability is negative \(-0\.5\)",
        ),
        "sum": (
            HEADER_P,
            [*WITH_P[:-1], ROWS[-1] + ",0.25,0.5"],
            r"line 7: the probabilities sum to 0\.75; expected .* sum to 1 in each row",
        ),
        "no number": (
            HEADER_P,
            [*WITH_P[:-1], ROWS[-1] + ",high,0.5"],
            r"line 7: p_cat is 'high', expected a prob",
        ),
        "empty probability": (
            HEADER_P,
            [*WITH_P[:-1], ROWS[-1] + ",,1"],
            r"line 7: p_cat is '', expected a prob",
        ),
    }


@pytest.mark.parametrize("kind", refusals())
def test_a_csv_file_with_a_mistake_is_refused(tmp_path: Path, kind: str) -> None:
    header, rows, message = refusals()[kind]
    path = write(tmp_path / "p.csv", header, rows)
    with pytest.raises(BakeoffError, match=message) as refused:
        read_predictions([path])
    assert str(path) in str(refused.value) or "missing" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (HEADER.encode() + b"\nplain,0,caf\xe9,cat,cat\n", "line 2 is not UTF-8 text; .*in Excel: CSV UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "line 1 is not UTF-8 text"),
        (b"\n\n", "is empty"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    with pytest.raises(BakeoffError, match=re.escape(str(path)) + ".*" + message):
        read_predictions([path])


def test_a_hundred_thousand_rows_take_less_than_three_seconds_of_processor_time(tmp_path: Path) -> None:
    rows = [
        f"recipe_{recipe},{seed},test/image_{image}.png,{image % 10},{(image * seed) % 10}"
        for recipe in range(5)
        for seed in range(4)
        for image in range(5_000)
    ]
    path = write(tmp_path / "p.csv", HEADER, rows)
    start = time.process_time()  # not wall time: other work on the machine is no fault of ours
    found = compare(read_predictions([path]))
    assert time.process_time() - start < 3  # about 0.4 s
    assert [recipe.num_seeds for recipe in found.recipes] == [4] * 5
