"""Predictions from CSV, NPZ and study folders: what is read, and what is refused with which words."""

import random
import re
import time
from pathlib import Path

import numpy as np
import pytest

from bakeoff.analysis.comparison.compare import compare
from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions
from bakeoff.predictions import Predictions

HEADER = "recipe,seed,image,label,prediction"
ROWS = [
    "plain,0,one.png,cat,cat",
    "plain,0,two.png,dog,cat",
    "plain,1,one.png,cat,dog",
    "plain,1,two.png,dog,dog",
    "wide,0,one.png,cat,cat",
    "wide,0,two.png,dog,dog",
]
WITH_P = [f"{row},{'0.75,0.25' if row.endswith('cat') else '0.25,0.75'}" for row in ROWS]
HEADER_P = f"{HEADER},p_cat,p_dog"


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def write_npz(path: Path, recipe: str, seed: int, **changes: object) -> Path:
    rng = np.random.default_rng(seed)
    arrays: dict[str, object] = {
        "identity": np.array("abc"),
        "recipe": np.array(recipe),
        "seed": np.array(seed),
        "class_names": np.array(["cat", "dog", "ship"]),
        "test_logits": rng.normal(size=(6, 3)).astype(np.float32),
        "test_labels": np.array([0, 1, 2, 0, 1, 2]),
        "test_ids": np.array([f"{number}.png" for number in range(6)]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return path


def same(left: Predictions, right: Predictions) -> bool:
    """Equal predictions, arrays included."""
    flat = [
        (
            p.labels.tolist(),
            p.image_ids,
            p.class_names,
            [
                (
                    r.name,
                    r.seeds,
                    r.predicted.tolist(),
                    None if r.probabilities is None else r.probabilities.tolist(),
                )
                for r in p.recipes
            ],
        )
        for p in (left, right)
    ]
    return flat[0] == flat[1]


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


def test_permuting_rows_and_splitting_into_files_changes_nothing(tmp_path: Path) -> None:
    rng = random.Random(0)
    whole = read_predictions([write(tmp_path / "p.csv", HEADER_P, WITH_P)])
    rows = WITH_P[:1] + rng.sample(WITH_P[1:], len(WITH_P) - 1)
    files = [write(tmp_path / "a.csv", HEADER_P, rows[:2]), write(tmp_path / "b.csv", HEADER_P, rows[2:])]
    assert same(read_predictions(files), whole)
    assert compare(read_predictions(files)).to_dict() == compare(whole).to_dict()


def test_integer_classes_are_ordered_as_numbers(tmp_path: Path) -> None:
    rows = [row.replace("cat", "2").replace("dog", "10") for row in ROWS]
    assert read_predictions([write(tmp_path / "p.csv", HEADER, rows)]).class_names == ("2", "10")


def test_npz_runs_and_a_study_folder_are_read(tmp_path: Path) -> None:
    files = [
        write_npz(tmp_path / "runs" / recipe / f"seed-{seed}" / "predictions.npz", recipe, seed)
        for recipe in ("a", "b")
        for seed in (10, 2)
    ]
    found = read_predictions(files)
    assert [recipe.seeds for recipe in found.recipes] == [(2, 10), (2, 10)]
    logits = np.random.default_rng(10).normal(size=(6, 3)).astype(np.float32)
    assert (found.recipe("a").predicted[1] == logits.argmax(axis=1)).all()
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = found.recipe("a").probabilities
    assert probabilities is not None
    assert probabilities[1] == pytest.approx(chances, abs=1e-6)
    assert same(read_predictions([tmp_path]), found)


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


def refusals() -> dict[str, tuple[str, list[str], str]]:
    dog_p = ",0.25,0.75"
    return {
        "duplicate row": (
            HEADER,
            [*ROWS, ROWS[1]],
            r"1 predictions occur more than once:\n"
            r"  recipe 'plain' seed 0 image 'two.png': .*p\.csv line 3 and .* line 8",
        ),
        "missing image": (
            HEADER,
            ROWS[:-1],
            r"1 predictions are missing:\n  recipe 'wide' seed 0 image 'two.png'",
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
        "no rows": (HEADER, [], r"p\.csv has a header and no rows"),
        "recipe without name": (
            HEADER,
            [*ROWS, " ,0,one.png,cat,cat"],
            r"line 8: the column 'recipe' is empty",
        ),
        "missing column": (
            HEADER.replace("prediction", "predicted"),
            ROWS,
            r"no column 'prediction'; did you mean 'predicted'\? rename it",
        ),
        "two columns alike": (HEADER + ",label", ROWS, "'label' more than once"),
        "semicolons": (HEADER.replace(",", ";"), ROWS, "separated by commas"),
        "another kind of file": ('{"recipe": 1}', ["1"], "is not the header of a predictions file"),
        "a field too many": (
            HEADER,
            [*ROWS, "plain,2,one.png,cat,cat,dog"],
            r"another length .*\n.*line 8: 6 fields",
        ),
        "seed": (HEADER, ["plain,1.5,one.png,cat,cat"], r"line 2: seed is '1\.5', expected a whole number"),
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
            r"line 7: the probabilities sum to 0\.75, expected 1",
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (HEADER.encode() + b"\nplain,0,caf\xe9,cat,cat\n", "line 2 is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "line 1 is not UTF-8 text"),
        (b"\n\n", "is empty"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    with pytest.raises(BakeoffError, match=re.escape(str(path)) + ".*" + message):
        read_predictions([path])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_logits": None}, "has no array 'test_logits'"),
        ({"test_labels": np.array([0, 1, 2, 0, 1, 3])}, r"image '5\.png' has the label 3, expected 0\.\.2"),
        ({"test_logits": np.full((6, 3), np.nan, np.float32)}, r"logits of 6 images are NaN .* '0\.png'"),
        ({"test_ids": np.array(["a"] * 5)}, "do not fit together"),
        ({"test_ids": np.array(["0.png"] * 6)}, "15 predictions occur|occur more than once"),
        ({"test_labels": np.array([0.0] * 6)}, "wrong kind"),
        ({"class_names": np.array(["cat", {}, 1], dtype=object)}, "cannot read"),
        (
            {
                "test_logits": np.zeros((0, 3), np.float32),
                "test_labels": np.zeros(0, int),
                "test_ids": np.zeros(0, "U1"),
            },
            "has no rows: the recipe 'a'",
        ),
    ],
)
def test_an_npz_file_with_a_mistake_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BakeoffError, match=message):
        read_predictions([write_npz(tmp_path / "run.npz", "a", 0, **changes)])


def test_a_damaged_npz_file_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "run.npz", "a", 0)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BakeoffError, match="cannot read"):
        read_predictions([path])


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    csv = write(tmp_path / "p.csv", HEADER, ROWS)
    with pytest.raises(BakeoffError, match="given twice"):
        read_predictions([csv, tmp_path / "." / "p.csv"])
    with pytest.raises(BakeoffError, match=r"no file or folder .*q\.csv; did you mean 'p\.csv'"):
        read_predictions([tmp_path / "q.csv"])
    with pytest.raises(BakeoffError, match="has no finished run"):
        read_predictions([tmp_path])
    with pytest.raises(BakeoffError, match="no file of predictions"):
        read_predictions([])
    run = write_npz(tmp_path / "a.npz", "a", 0)
    again = write_npz(tmp_path / "b.npz", "a", 0)
    with pytest.raises(BakeoffError, match=r"occur more than once:\n.*a\.npz and .*b\.npz"):
        read_predictions([run, again])
    other = write_npz(tmp_path / "c.npz", "c", 0, class_names=np.array(["cat", "dog", "frog"]))
    with pytest.raises(BakeoffError, match="the classes differ"):
        read_predictions([run, other])
    half = [
        write(tmp_path / "h.csv", HEADER, ROWS[:2]),
        write(tmp_path / "i.csv", HEADER_P, WITH_P[2:]),
    ]
    with pytest.raises(
        BakeoffError, match=r"recipe 'plain' has probabilities in .*i\.csv and none in .*h\.csv"
    ):
        read_predictions(half)


def test_a_recipe_without_a_finished_run_is_named(tmp_path: Path) -> None:
    write_npz(tmp_path / "runs" / "a" / "seed-0" / "predictions.npz", "a", 0)
    (tmp_path / "runs" / "b" / "seed-0").mkdir(parents=True)
    with pytest.raises(BakeoffError, match=r"without a finished run in .*:\n  b\n"):
        read_predictions([tmp_path])


def test_mixed_up_columns_do_not_take_all_memory(tmp_path: Path) -> None:
    """Every row a run of its own with an image of its own: 30,000 x 30,000 cells."""
    rows = [f"r{number},{number},{number}.png,cat,cat" for number in range(30_000)]
    with pytest.raises(BakeoffError, match="899970000 predictions are missing"):
        read_predictions([write(tmp_path / "p.csv", HEADER, rows)])


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
