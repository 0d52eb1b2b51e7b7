"""What a paper says about a study: every number is that of comparison.json, every citation has its entry."""

import re
import shutil
from pathlib import Path

import pytest
from tests.golden.commands import GOLDEN

from bakeoff.analysis.scores.by_name import score_named
from bakeoff.analysis.summary.study import Summary
from bakeoff.api import open_result
from bakeoff.engines.stacked import StackedEngine
from bakeoff.errors import BakeoffError
from bakeoff.paper import write_paper
from bakeoff.predict.other_images import predict_others
from bakeoff.running.run_study import run_study
from bakeoff.store import load_study_folder
from bakeoff.study import Study, load_study

NUMBER = r"[−-]?\d+\.\d+"


def summary_of(study: str, metric: str | None = None) -> Summary:
    return Summary(load_study_folder(GOLDEN / study / "study"), score_named(metric) if metric else None)


def rows(table: str) -> list[list[str]]:
    """Cells of a table in Markdown, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip().replace("\\_", "_") for cell in line.strip("|").split("|")] for line in lines[1:]]


def numbers(text: str) -> list[float]:
    return [float(word.replace("−", "-")) for word in re.findall(NUMBER, text)]


@pytest.mark.parametrize("metric", [None, "log_loss", "balanced_accuracy"])
@pytest.mark.parametrize("study", ["plain", "rounds"])
def test_every_number_is_that_of_the_comparison(study, metric, tmp_path):
    summary = summary_of(study, metric)
    write_paper(summary, tmp_path / "paper")
    comparison = summary.comparison.to_dict()
    factor, digits = (100, 0.051) if comparison["scale"]["unit"] == "%" else (1, 0.00051)
    against = {pair["b"]: pair for pair in comparison["pairs"] if pair["a"] == comparison["baseline"]}
    table = (tmp_path / "paper/table.md").read_text("utf-8")
    cells = rows(table)
    assert [row[0] for row in cells[: len(comparison["recipes"])]] == [
        recipe["name"] for recipe in comparison["recipes"]
    ]
    for row, recipe in zip(cells, comparison["recipes"], strict=False):
        assert int(row[1]) == recipe["num_seeds"]
        expected = [recipe["score"], *recipe["interval"]]
        assert numbers(" ".join(row[2:4])) == pytest.approx(
            [factor * value for value in expected], abs=digits
        )
        if pair := against.get(recipe["name"]):
            expected = [pair["difference"], *pair["interval"]]
            assert numbers(" ".join(row[4:6])) == pytest.approx(
                [factor * value for value in expected], abs=digits
            )
            assert row[7] == (pair["model_verdict"] or pair["verdict"])
            p = pair["p_holm"]
            assert row[6] == ("\\<0.001" if p < 0.001 else f"{p:.3f}")
    latex = (tmp_path / "paper/table.tex").read_text("utf-8").replace("$-$", "-")
    assert numbers(latex) == numbers(table)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == latex.count(r"\toprule")
    methods = (tmp_path / "paper/methods.md").read_text("utf-8")
    assert comparison["conclusion"].replace("_", "").split(".")[0] in methods.replace("\\", "").replace(
        "_", ""
    )


def test_what_is_cited_is_in_the_references_and_nothing_else(tmp_path):
    write_paper(summary_of("rounds"), tmp_path / "paper")
    text = "".join(path.read_text("utf-8") for path in (tmp_path / "paper").glob("*.md"))
    cited = set(re.findall(r"@(\w+)", text.replace("\\@", "")))
    entries = (tmp_path / "paper/references.bib").read_text("utf-8")
    assert set(re.findall(r"^@\w+\{(\w+),", entries, re.MULTILINE)) == cited
    assert "pocock1977" in cited  # seeds were added in rounds
    latex = (tmp_path / "paper/methods.tex").read_text("utf-8")
    assert not re.search(r"[<>|\"]", latex)  # LaTeX's default encoding prints other signs for these
    in_latex = {key for keys in re.findall(r"\\citep\{([^}]*)\}", latex) for key in keys.split(",")}
    assert in_latex <= cited
    assert entries.count("{") == entries.count("}")


def test_the_checklist_says_what_the_folder_knows(tmp_path):
    summary = summary_of("plain")
    write_paper(summary, tmp_path / "paper")
    text = (tmp_path / "paper/checklist.md").read_text("utf-8")
    assert summary.data.fingerprint in text
    assert f"{len(summary.stored.runs)} finished runs" in text
    assert "Python " + summary.stored.environment["python"] in text
    for recipe in summary.finished:
        assert f"{recipe.results.num_parameters:,}" in text


def test_a_folder_with_files_is_left_as_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(BakeoffError, match="is not empty"):
        write_paper(summary_of("plain"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_study_without_a_finished_run_is_refused(tmp_path):
    study = tmp_path / "study"
    shutil.copytree(GOLDEN / "plain/study", study)
    shutil.rmtree(study / "runs")
    (study / "runs").mkdir()
    with pytest.raises(BakeoffError, match="no finished run"):
        write_paper(Summary(load_study_folder(study)), tmp_path / "paper")
    assert not Path(tmp_path / "paper").exists()


def test_one_seed_per_recipe_is_said_to_cover_images_alone(tmp_path):
    study = tmp_path / "study"
    shutil.copytree(GOLDEN / "plain/study", study)
    for run in study.glob("runs/*/seed-*"):
        if run.name != "seed-0":
            shutil.rmtree(run)
    write_paper(Summary(load_study_folder(study)), tmp_path / "paper")
    methods = " ".join((tmp_path / "paper/methods.md").read_text("utf-8").split())
    assert "valid for new images like the test images [@gallas2006]." in methods
    assert "new seeds" not in methods
    assert "McNemar's exact test [@mcnemar1947]" in methods


def test_a_learning_curve_and_other_test_images_are_told_whole(tmp_path):
    study = load_study("quickstart", epochs=1, seeds=2, recipes=["lenet5", "lenet5_batch_norm"])
    study = study.changed(train_sizes=[200, 400], tests={"again": {"source": "digits"}})
    run_study(study, tmp_path / "study", engine=StackedEngine("cpu"), check=False)
    predict_others(tmp_path / "study")
    summary = Summary(load_study_folder(tmp_path / "study"))
    write_paper(summary, tmp_path / "paper")
    texts = {
        path.name: " ".join(path.read_text("utf-8").replace("\\_", "_").split())
        for path in (tmp_path / "paper").iterdir()
    }
    methods, checklist = texts["methods.md"], texts["checklist.md"]
    assert "also trained with 200 and 400 training images, in 8 more runs. Each seed trains on" in methods
    assert summary.learning_curve.sentences[0] in methods
    assert "also tested on 1,797 other images, `again`, with 2 recipes." in methods
    (test,) = summary.tests
    for sentence in (*test.notes, *(pair.describe(test.changes.scale) for pair in test.changes.pairs)):
        assert sentence.replace("-", "").replace("−", "") in methods.replace("-", "").replace("−", "")
    assert "12 finished runs" in checklist
    assert "8 runs with 200 and 400 training images" in checklist
    assert "**Other test images**: again, 1,797 images" in checklist
    table = (tmp_path / "paper/table.md").read_text("utf-8")
    for recipe in summary.learning_curve.recipes:
        for point in recipe.points:
            assert f"| {point.num_train:,.0f} | 2 | {100 * point.score:.1f} |" in table
    for change in test.changes.recipes:
        assert f"| {100 * change.after:.1f} |" in table
    latex = (tmp_path / "paper/table.tex").read_text("utf-8").replace("$-$", "-")
    assert numbers(latex) == numbers(table)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}")


def test_a_recipe_with_a_trainer_is_described_by_what_it_is(tmp_path):
    study = load_study("quickstart", epochs=1, seeds=2, recipes=["lenet5", "lenet5_batch_norm"]).model_dump()
    trainer = {"name": "sklearn", "estimator": "sklearn.ensemble:RandomForestClassifier", "n_estimators": 5}
    study["recipes"]["resnet"] = {"epochs": 1, "model": {"name": "resnet"}}
    study["recipes"]["lenet5"] |= {"search": {"optimizer.lr": {"low": 0.001, "high": 0.01}}, "trials": 1}
    study["recipes"]["forest"] = {"trainer": trainer}
    study = Study.model_validate({**study, "train_sizes": [200], "baseline": "forest"})
    run_study(study, tmp_path / "study", engine=StackedEngine("cpu"))
    summary = Summary(load_study_folder(tmp_path / "study"))
    write_paper(summary, tmp_path / "paper")
    methods = (tmp_path / "paper/methods.md").read_text("utf-8")
    assert (
        "`forest` is `sklearn.ensemble.RandomForestClassifier`, with `features = pixels`, "
        "`n_estimators = 5`.\n" in methods
    )
    assert "`lenet5_batch_norm` differs from `lenet5` in `model.batch_norm = true`" in methods
    assert "`model.name = resnet`" in methods
    assert (
        "the epoch with the highest validation accuracy were tested, except of `forest`, whose training code "
        "chooses them." in methods
    )
    assert "not set" not in methods
    assert (
        "with new seeds; the budgets of tuning differ: lenet5 is tuned with 1 trial, and "
        "lenet5\\_batch\\_norm, resnet and forest are untuned." in methods
    )
    checklist = (tmp_path / "paper/checklist.md").read_text("utf-8")
    assert "; forest –.\n" in checklist
    assert re.search(
        r"with all training images together .* s, those with fewer training images .* s", checklist
    )
    assert all(line.startswith(("- ", "#", "The questions")) for line in checklist.splitlines() if line)
    assert ".- **" not in checklist
    assert open_result(tmp_path / "study").runs.set_index("recipe").num_parameters.isna()["forest"].all()
