"""Predictions of other code, compared in Python."""

import subprocess
import sys

import pytest
from tests.prediction_files.sample import CLASSES, predictions

import bakeoff
from bakeoff.analysis.comparison.compare import compare


@pytest.fixture(scope="module")
def result():
    given = predictions()
    return bakeoff.compare(
        given.labels,
        {
            recipe.name: recipe.probabilities if recipe.name == "lenet5" else list(recipe.predicted)
            for recipe in given.recipes
        },
        class_names=CLASSES,
        baseline="lenet5",
        margin=0.02,
    )


def test_it_is_the_comparison_of_the_arrays(result):
    expected = compare(predictions(), baseline="lenet5", margin=0.02)
    assert result.comparison.conclusion == expected.conclusion
    assert [pair.interval for pair in result.comparison.pairs] == [pair.interval for pair in expected.pairs]
    assert result.pairs.verdict.tolist() == [pair.verdict for pair in expected.pairs]
    by_f1 = result.compare("macro_f1")
    assert by_f1 == compare(result.predictions, metric="macro_f1", baseline="lenet5", margin=0.02)
    assert result.class_names == CLASSES
    assert (result.test_labels == predictions().labels).all()
    assert result.probabilities("lenet5").shape == (5, 400, 4)


def test_it_has_a_page_figures_and_a_form_for_notebooks(result, tmp_path):
    page = result.report(tmp_path / "report")
    assert page == tmp_path / "report" / "index.html"
    assert result.comparison.conclusion in page.read_text("utf-8")
    assert (tmp_path / "report" / "comparison.json").is_file()
    assert "comparison-differences" in result.figures
    assert "<td>lenet5_batch_norm − lenet5</td>" in result._repr_html_()
    assert repr(result).startswith("ComparisonResult: 15 runs\n  lenet5: ")


def test_what_is_not_there_is_said(result):
    with pytest.raises(bakeoff.BakeoffError, match="no recipe 'lenet'; recipes: lenet5, "):
        result.probabilities("lenet")
    with pytest.raises(bakeoff.BakeoffError, match="'lenet5_batch_norm' has predicted classes"):
        result.probabilities("lenet5_batch_norm")


def test_comparing_in_python_needs_no_torch(tmp_path):
    code = """
import sys
import bakeoff
labels = ["cat", "dog"] * 20
result = bakeoff.compare(labels, {"right": [labels, labels], "half": [["cat"] * 40, ["dog"] * 40]})
print(result)
result.pairs
result.report(sys.argv[1])
assert not {"torch", "sklearn"} & set(sys.modules), set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")], check=True, capture_output=True, text=True
    )
    assert "half is worse than right by 50.0 points" in done.stdout


def test_another_metric_decides():
    given = predictions()
    arrays = {recipe.name: recipe.probabilities for recipe in given.recipes}
    found = bakeoff.compare(given.labels, arrays, class_names=CLASSES, metric="log_loss")
    assert found.comparison.conclusion == compare(given, metric="log_loss").conclusion
    assert "<th>log-loss, nats</th>" in found._repr_html_()
    assert " nats (" in repr(found)
    classes = {recipe.name: recipe.predicted for recipe in given.recipes}
    with pytest.raises(bakeoff.BakeoffError, match="no probabilities, which auroc needs"):
        bakeoff.compare(given.labels, classes, class_names=CLASSES, metric="auroc")


def test_printing_it_shows_its_notes():
    labels = [0, 0, 0, 1]
    result = bakeoff.compare(labels, {"a": [[0, 0, 0, 0]], "b": [labels]})
    notes = result.comparison.notes
    assert notes
    assert str(result).endswith("\n".join(f"note: {note}" for note in notes))
