import json
from dataclasses import replace

import pytest

from bakeoff.analysis.summary.study import Summary
from bakeoff.store import StoredStudy


def test_summary_is_json_without_nan(stored: StoredStudy) -> None:
    summary = Summary(stored).to_dict()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    plain = summary["recipes"][0]["results"]
    assert plain["class_accuracies"]["mean"][2] is None
    assert summary["recipes"][1]["results"]["sd"] is None


def test_comparison_is_against_the_baseline_with_the_published_accuracy(stored: StoredStudy) -> None:
    comparison = Summary(stored).to_dict()["comparison"]
    assert [(pair["a"], pair["b"]) for pair in comparison["pairs"]] == [("plain", "normed")]
    assert comparison["recipes"][0]["replication"]["published"] == 0.5
    assert comparison["recipes"][0]["replication"]["published_images"] == 4999


def test_a_baseline_without_a_finished_run_leaves_the_others_compared(stored: StoredStudy) -> None:
    only_normed = replace(stored, runs=stored.runs_of("normed"))
    summary = Summary(only_normed).to_dict()
    assert summary["recipes"][0]["results"] is None
    assert [recipe["name"] for recipe in summary["comparison"]["recipes"]] == ["normed"]


def test_without_a_finished_run_there_are_only_failures(stored: StoredStudy) -> None:
    summary = Summary(replace(stored, runs=())).to_dict()
    assert summary["comparison"] is None
    assert summary["failed_cases"] == []
    assert all(recipe["results"] is None for recipe in summary["recipes"])


def test_the_comparison_alone_measures_no_failures(stored: StoredStudy) -> None:
    summary = Summary(stored)
    assert summary.comparison is summary.comparison is not None
    assert "evidence" not in vars(summary)
    assert summary.evidence is summary.evidence is not None
    assert summary.failures.evidence is summary.evidence


@pytest.mark.parametrize(
    ("data", "note"),
    [
        ({"class_names": ["dog", "empty", "cat"], "train_images": 4999}, None),
        ({"class_names": ["cat", "frog"]}, "measured on other data, of the classes cat, frog."),
        ({"train_images": 60_000}, "measured on other data, with 60,000 training images instead of 5,000."),
    ],
)
def test_published_results_are_compared_only_on_their_data(
    stored: StoredStudy, data: dict[str, object], note: str | None
) -> None:
    entry = stored.study.published["plain"].model_dump(mode="json", exclude_none=True)
    study = stored.study.changed(published={"plain": entry | data})
    counts = stored.data["counts"] | {"train": [2000, 3000, 0]}
    summary = Summary(replace(stored, study=study, data=stored.data | {"counts": counts}))
    assert summary.comparison is not None
    of_recipe = summary.comparison.recipes[0].replication
    said = [said for said in summary.comparison.notes if "published" in said]
    assert (of_recipe is None) == (summary.recipes[0].published is None) == (note is not None)
    assert said == [f"The published results of plain are not compared: they were {note}"] * (note is not None)
