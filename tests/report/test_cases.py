"""One failed case per class, with what every leading recipe predicts for its image."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.report.pages import section

from bakeoff.analysis.summary.study import Summary
from bakeoff.report.cases import ClassCase, class_cases
from bakeoff.report.gallery import gallery
from bakeoff.store import StoredStudy, load_study_folder


@pytest.fixture(scope="module")
def stored(study_dir: Path) -> StoredStudy:
    return load_study_folder(study_dir)


@pytest.fixture(scope="module")
def cases(stored: StoredStudy) -> list[ClassCase]:
    summary = Summary(stored)
    return class_cases(summary, gallery(summary), 10, 10)[0]


def test_each_class_has_the_clearest_case_of_all_recipes(cases: list[ClassCase], stored: StoredStudy) -> None:
    assert [case.class_name for case in cases] == list(stored.class_names)
    wrong = {recipe.name: recipe.predicted != stored.test_labels for recipe in stored.predictions().recipes}
    for label, entry in enumerate(cases):
        of_class = stored.test_labels == label
        most = max(each[:, of_class].sum(axis=0).max() for each in wrong.values())
        case = entry.described.case
        assert case.true == label
        assert case.num_wrong == wrong[case.recipe][:, case.image_index].sum() == most
        assert case.image_index not in {other.image_index for other in entry.others}


def test_probabilities_are_those_of_every_recipe(cases: list[ClassCase], stored: StoredStudy) -> None:
    predictions = stored.predictions()
    for entry in cases:
        case = entry.described.case
        assert [answer.recipe for answer in entry.answers] == ["plain", "normed"]
        for answer in entry.answers:
            recipe = predictions.recipe(answer.recipe)
            mean = recipe.probabilities[:, case.image_index].mean(axis=0, dtype=np.float64)
            assert answer.true_probability == pytest.approx(mean[case.true])
            assert answer.predicted_probability == pytest.approx(mean[case.predicted])
            assert answer.num_right == (recipe.predicted[:, case.image_index] == case.true).sum()


def test_a_case_has_its_sentence_map_and_nearest_images(page: Path, cases: list[ClassCase]) -> None:
    text = html.unescape(section(page, "failed-cases"))
    shown = re.findall(r'<li class="case">.*?\n</li>', text, re.DOTALL)
    assert len(shown) == len(cases) == 10
    for markup, entry in zip(shown, cases, strict=True):
        assert entry.sentence.text in markup
        assert entry.map in markup
        assert markup.count('class="sprite train') == len(entry.near) == 10
        assert markup.count('class="sprite train same"') == sum(near.is_same for near in entry.near)
        for sentence in entry.described.findings:
            assert sentence.text in markup


def test_with_more_classes_than_fit_the_least_recognized_are_first(stored: StoredStudy, page: Path) -> None:
    summary = Summary(stored)
    cases, folded = class_cases(summary, gallery(summary), 5, 8)
    assert (len(cases), len(folded)) == (5, 3)
    assert all(entry.image.startswith("data:image/png") for entry in cases if entry.described)
    assert all(entry.sprite and not entry.image for entry in folded if entry.described)
    ordered = [entry.class_name for entry in cases + folded]
    recipes = json.loads((page.parent / "summary.json").read_text("utf-8"))["recipes"]
    means = np.mean(
        [recipe["results"]["class_accuracies"]["mean"] for recipe in recipes if recipe["results"]], axis=0
    )
    assert ordered == [stored.class_names[label] for label in np.argsort(means, kind="stable")[:8]]
