"""The Python API: studies changed and run in code, results as arrays and frames, shown in a notebook."""

import os

import numpy as np
import pytest
from sklearn.metrics import f1_score

import bakeoff
from bakeoff.analysis.comparison.compare import compare
from bakeoff.store import lock_folder


@pytest.fixture(scope="module")
def arrays():
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype(np.uint8)
    names = np.array([f"digit {label}" for label in digits.target])
    return bakeoff.ImageArrays(
        train=(pixels[:500], names[:500]),
        val=(np.stack([pixels[500:700]] * 3, axis=3), names[500:700]),
        test=([*pixels[700:1000]], names[700:1000]),
    )


@pytest.fixture(scope="module")
def result(study, arrays, tmp_path_factory):
    return bakeoff.run(study, tmp_path_factory.mktemp("api"), data=arrays, progress=False)


def test_images_in_memory_are_what_was_trained_on(result, arrays):
    assert result.stored.data["source"] == "arrays"
    assert result.class_names == tuple(f"digit {digit}" for digit in range(10))
    names = [result.class_names[label] for label in result.test_labels]
    assert names == list(arrays.test[1])
    assert result.stored.data["counts"]["train"] == [
        int((arrays.train[1] == name).sum()) for name in result.class_names
    ]


def test_frames_and_arrays_agree_with_each_other(result):
    runs = result.runs
    assert list(zip(runs.recipe, runs.seed, strict=True)) == [
        ("lenet5", 0),
        ("lenet5", 1),
        ("batch_norm", 0),
        ("batch_norm", 1),
    ]
    for name in ("lenet5", "batch_norm"):
        probabilities = result.probabilities(name)
        assert probabilities.shape == (2, 300, 10)
        accuracies = (probabilities.argmax(2) == result.test_labels).mean(1)
        assert accuracies == pytest.approx(runs[runs.recipe == name].accuracy.to_numpy())
        confusion = result.confusion(name)
        assert np.trace(confusion) / 300 == pytest.approx(accuracies.mean())
        assert confusion.sum(axis=1).to_numpy() == pytest.approx(np.bincount(result.test_labels))
    history = result.history
    assert len(history) == 2 * 2 * 2
    assert history.val_accuracy.between(0, 1).all()
    (pair,) = result.pairs.itertuples()
    means = runs.groupby("recipe").accuracy.mean()
    assert pair.difference == pytest.approx(means["batch_norm"] - means["lenet5"])
    assert pair.low < pair.difference < pair.high


def test_a_run_is_a_model_that_answers_as_evaluation_did(result):
    model = result.model("batch_norm", seed=1)
    images = result.stored.test_images
    assert images.shape == (300, 16, 16, 3)
    assert np.array_equal(model.logits(images), result.stored.runs_of("batch_norm")[1].test_logits)


def test_a_metric_of_right_and_wrong_gives_the_comparison_by_accuracy(result):
    found = result.compare(lambda labels, probabilities: probabilities.argmax(1) == labels)
    expected = compare(result.predictions, baseline="lenet5", confidence=0.95)
    for mine, usual in zip(found.recipes, expected.recipes, strict=True):
        assert (mine.mean, mine.low, mine.high) == pytest.approx((usual.accuracy, *usual.interval))
    (mine,), (usual,) = found.pairs, expected.pairs
    assert (mine.a, mine.b) == (usual.a, usual.b)
    assert mine.p_holm == pytest.approx(usual.p_holm)
    assert (mine.difference, mine.low, mine.high) == pytest.approx((usual.difference, *usual.interval))


def test_a_metric_of_numbers_is_not_cut_off_and_a_broken_one_is_refused(result):
    def log_loss(labels, probabilities):
        return -np.log(probabilities[np.arange(len(labels)), labels])

    found = result.compare(log_loss)
    for recipe in found.recipes:
        rows = [log_loss(result.test_labels, run) for run in result.probabilities(recipe.recipe)]
        assert recipe.mean == pytest.approx(np.mean(rows))
        assert recipe.low < recipe.mean < recipe.high
    with pytest.raises(bakeoff.BakeoffError, match=r"shape \[300, 10\].* for each of 300 images"):
        result.compare(lambda labels, probabilities: probabilities)


def test_another_metric_decides_the_verdicts_of_a_result(result):
    by_f1 = bakeoff.open_result(result.path, metric="macro_f1")
    assert by_f1.comparison == result.compare("macro_f1")
    assert by_f1.comparison.metric == by_f1.summary.to_dict()["comparison"]["metric"] == "macro_f1"
    runs = result.predictions.recipe("lenet5").predicted
    expected = [f1_score(result.test_labels, run, average="macro") for run in runs]
    (found,) = [recipe for recipe in by_f1.comparison.recipes if recipe.name == "lenet5"]
    assert found.score == pytest.approx(np.mean(expected))
    assert "By macro F1: " in repr(by_f1)
    assert "<th>macro F1, %</th>" in by_f1._repr_html_()
    page = by_f1.report().read_text("utf-8")
    assert "Test macro F1 on 300 images" in page
    assert "difference in macro F1, percentage points" in page
    assert "Images fixed" not in page
    result.report()
    with pytest.raises(bakeoff.BakeoffError, match="no score 'f1'"):
        bakeoff.open_result(result.path, metric="f1")


def test_a_function_cannot_decide_when_a_study_stops(study):
    with pytest.raises(bakeoff.BakeoffError, match="a function as metric cannot decide when to stop"):
        bakeoff.run(study.changed(seeds=3), until="decided", metric=lambda labels, probabilities: 0.5)


def test_a_notebook_sees_the_comparison_and_the_settings_that_differ(result, study):
    shown = result._repr_html_()
    for name in ("lenet5", "batch_norm"):
        assert name in shown
    assert result.comparison.conclusion in shown
    assert result.comparison.conclusion in repr(result)
    assert repr(study) == str(study)
    assert str(study).startswith(f"Study({study.name!r}: recipes {', '.join(study.recipes)}; seeds ")
    shown = study._repr_html_()
    assert "<th>model.batch_norm</th><td>False</td><td>True</td>" in shown
    assert "optimizer.lr" not in shown
    figure = result.figures["loss-lenet5"]
    assert len(repr(figure)) < 1_000  # neither markup nor bytes
    assert figure._repr_svg_().startswith("<svg")
    assert set(result.figures) >= {"confusion-batch_norm", "class-accuracies", "comparison-accuracies"}


def test_a_second_run_takes_everything_up(result, study, arrays):
    before = {path: path.stat().st_mtime_ns for path in result.path.rglob("predictions.npz")}
    again = bakeoff.run(study, result.path, data=arrays, progress=False)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again.runs.equals(result.runs)
    assert bakeoff.open_result(result.path).runs.equals(result.runs)
    assert again.report().is_file()


def test_the_command_line_says_where_the_images_of_an_array_study_are(result, capfd):
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", "run", str(result.path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "arrays that were passed in Python" in done.stderr


def test_a_folder_in_use_is_refused_before_images_are_read(study, tmp_path, monkeypatch):
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))
    with (
        lock_folder(tmp_path / "study"),
        pytest.raises(bakeoff.BakeoffError, match=f"in use by process {os.getpid()}") as caught,
    ):
        bakeoff.run(study, tmp_path / "study", progress=False)
    assert caught.value.parameter == "wait"
    assert not (tmp_path / "cache").exists()


def test_images_that_are_neither_named_nor_labelled_are_refused(study, arrays):
    with pytest.raises(bakeoff.BakeoffError, match=r"data: found tuple; expected .*ImageArrays"):
        bakeoff.run(study, data=arrays.train)


def test_a_script_that_defines_a_model_and_lacks_the_usual_guard_is_told_so(tmp_path):
    import subprocess
    import sys

    script = tmp_path / "unguarded.py"
    script.write_text(
        "import bakeoff\n"
        "from torch import nn\n"
        "class Net(nn.Module): pass\n"
        'study = bakeoff.load_study("quickstart", epochs=1, seeds=1, recipes=["lenet5"])\n'
        'lenet5 = study.recipes["lenet5"]\n'
        'bakeoff.run(study.changed(recipes={"net": lenet5.changed(model=Net)}), check=False)\n'
    )
    done = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "recipes.net: bakeoff.run() was reached when 'unguarded' was imported for its classes; "
        'put the call below a line `if __name__ == "__main__":`'
    )
