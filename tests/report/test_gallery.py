"""The gallery's data: every failed case, and numbers in its sentences that the stored results give again."""

import base64
import gzip
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.report.pages import gallery_of

from bakeoff.analysis.summary.study import Summary
from bakeoff.report.gallery import CASE_COLUMNS, MARKS, _packed, gallery
from bakeoff.store import StoredStudy, load_study_folder


@pytest.fixture(scope="module")
def stored(study_dir: Path) -> StoredStudy:
    return load_study_folder(study_dir)


@pytest.fixture(scope="module")
def data(page: Path) -> dict:
    return gallery_of(page.read_text("utf-8"))


def answers_of(stored: StoredStudy, recipe: str) -> np.ndarray:
    return np.stack([run.test_logits.argmax(axis=1) for run in stored.runs_of(recipe)])


def test_every_failed_case_is_there_with_its_answers(data: dict, stored: StoredStudy) -> None:
    expected = {}
    for name in ("plain", "normed"):
        answers = answers_of(stored, name)
        for index in np.flatnonzero((answers != stored.test_labels).any(axis=0)):
            wrong = answers[:, index][answers[:, index] != stored.test_labels[index]]
            expected[name, int(index)] = {
                str(label): int((wrong == label).sum()) for label in set(wrong.tolist())
            }
    found = {
        (data["recipes"][case["recipe"]], data["images"]["index"][case["image"]]): case["answers"]
        for case in data["cases"]
    }
    assert found == expected
    assert len(found) == len(data["cases"]) > 20


def test_packing_loses_nothing(data: dict, stored: StoredStudy) -> None:
    content = gallery(Summary(stored)).content
    assert data["cases"] == json.loads(json.dumps(content["cases"]))
    marked = {"classes": ["a", "cat a 1", MARKS], "recipes": ["cat"], "images": {"true": [0, 2]}, "cases": []}
    for image, text in enumerate(["a cat a 1 of cat: 1,000.5 of 2e-7.", f"{MARKS} 3 ٣"]):
        entry = dict.fromkeys(CASE_COLUMNS, 0) | {"image": image, "predicted": 1}
        marked["cases"].append(entry | {"texts": [text, text], "near": [63 + image, 4096]})
    packed = base64.b64encode(gzip.compress(json.dumps(_packed(marked)).encode())).decode()
    marked["cases"][1]["texts"] = ["\N{REPLACEMENT CHARACTER}" * len(MARKS) + " 3 ٣"] * 2
    assert gallery_of(f'id="gallery-data">{packed}</script>')["cases"] == marked["cases"]


def test_the_numbers_in_every_text_come_out_of_the_stored_results_again(
    data: dict, stored: StoredStudy
) -> None:
    names, labels = stored.class_names, stored.test_labels
    probabilities = {recipe.name: recipe.probabilities for recipe in stored.predictions().recipes}
    for case in data["cases"]:
        name, index = data["recipes"][case["recipe"]], data["images"]["index"][case["image"]]
        answers, true = answers_of(stored, name), int(labels[index])
        num_wrong = int((answers[:, index] != true).sum())
        usual, seeds = case["predicted"], len(answers)
        giving = answers[:, index] == usual
        assert giving.sum() == max(case["answers"].values())
        sure = probabilities[name][giving, index, usual].mean(dtype=np.float64)
        true_share = probabilities[name][:, index, true].mean(dtype=np.float64)
        verb = "misclassifies" if num_wrong == 1 else "misclassify"
        assert case["texts"][0] == (
            f"True {names[true]}, predicted {names[usual]}: {num_wrong} of {seeds} seeds of {name} {verb} "
            f"this image, {giving.sum()} as {names[usual]} with a mean probability of {sure:.2f}. "
            f"The mean probability of {names[true]} over all seeds is {true_share:.2f}."
        )
        count = ((answers == usual) & (labels == true)).sum() / seeds
        of_class = int((labels == true).sum())
        assert f"for {count:.1f} of the {of_class} test images" in case["texts"][1]
        assert f"({100 * count / of_class:.1f} %)" in case["texts"][1]
        for other in data["recipes"]:
            right = int((answers_of(stored, other)[:, index] == true).sum())
            assert f"{right} of 3 seeds of {other}" in case["texts"][2]
        (nearest,) = (text for text in case["texts"] if "penultimate layer" in text)
        assert sum(int(number) for number in re.findall(r" \((\d+)\)", nearest.partition("): ")[2])) == 10


def test_the_nearest_training_images_are_those_of_highest_mean_cosine(
    data: dict, stored: StoredStudy
) -> None:
    test, train = stored.features_of("plain")
    cosine = np.zeros((len(stored.test_labels), len(stored.train_labels)))
    for a, b in zip(test, train, strict=True):
        a, b = a.astype(np.float64), b.astype(np.float64)
        cosine += (a / np.linalg.norm(a, axis=1)[:, None]) @ (b / np.linalg.norm(b, axis=1)[:, None]).T / 3
    for case in data["cases"]:
        index = data["images"]["index"][case["image"]]
        ordered = np.argsort(-cosine[index])
        if case["recipe"] or cosine[index, ordered[9]] - cosine[index, ordered[10]] < 1e-5:
            continue
        labels = stored.train_labels[ordered[:10]]
        (nearest,) = (text for text in case["texts"] if "penultimate layer" in text)
        for label in np.unique(labels):
            assert f"{stored.class_names[label]} ({(labels == label).sum()})" in nearest


def test_the_sheet_holds_the_images_in_their_order(data: dict, page: Path, stored: StoredStudy) -> None:
    packed = re.search(r"data:image/webp;base64,([^\"&]+)", page.read_text("utf-8"))[1]
    with Image.open(io.BytesIO(base64.b64decode(packed))) as image:
        sheet = np.asarray(image).astype(int)
    size = stored.test_images.shape[1]
    for place, index in enumerate(data["images"]["index"]):
        row, column = divmod(place, data["sheets"]["images"]["columns"])
        tile = sheet[row * size : (row + 1) * size, column * size : (column + 1) * size]
        assert np.abs(tile - stored.test_images[index]).mean() < 4
