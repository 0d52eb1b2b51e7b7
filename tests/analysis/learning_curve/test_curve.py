"""A study with fewer training images, from its file to its curve: beside scikit-learn used directly."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

import bakeoff
from bakeoff.analysis.learning_curve.curve import SizeDifference, find_crossings
from bakeoff.analysis.scores.scale import ACCURACY, Scale
from bakeoff.data import load_data
from bakeoff.data.drawing import images_of_run
from bakeoff.engines.stacked import StackedEngine
from bakeoff.result import Result
from bakeoff.running.run_study import Display, run_study
from bakeoff.store import load_study_folder, study_status
from bakeoff.study import Study, study_from_toml

STUDY = study_from_toml(
    """
    name = "sizes"
    seeds = 3
    train_sizes = [200, 100, 400]
    data.source = "digits"
    [recipes.ridge]
    trainer = { name = "sklearn", estimator = "sklearn.linear_model:RidgeClassifier" }
    [recipes.tree]
    trainer = { name = "sklearn", estimator = "sklearn.tree:DecisionTreeClassifier", max_depth = 6 }
    """,
    "test",
)


class Trained(Display):
    def __init__(self) -> None:
        self.tasks: list[str] = []

    def begin(self, coming) -> None:
        self.tasks += map(str, coming.todo)


def train(study: Study, root: Path) -> list[str]:
    """Train what is missing in this process; return the names of the runs."""
    display = Trained()
    runs = run_study(study, root, engine=StackedEngine("cpu"), display=display, check=False)
    assert not runs.failed
    return display.tasks


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("sizes") / "study"
    names = train(STUDY, root)
    assert len(names) == 6 + 18
    assert "ridge, 100 training images, seed 2" in names
    return root


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    return bakeoff.open_result(folder)


def test_points_are_what_scikit_learn_gives_on_nested_parts(result):
    data = load_data(STUDY.data)
    curve = result.summary.learning_curve
    assert curve.sizes == (100, 200, 400, len(data.train))
    test = data.test.images.reshape(len(data.test), -1) / 255
    for point in curve.recipes[0].points:
        accuracies, parts = [], []
        for seed in range(3):
            part = data.train
            if point.size < len(data.train):
                part = images_of_run(data, seed, own_split=False, size=point.size).train
            parts.append(set(part.ids))
            model = RidgeClassifier().fit(part.images.reshape(len(part), -1) / 255, part.labels)
            accuracies.append(np.mean(model.predict(test) == data.test.labels))
        assert point.num_train == len(part) == len(parts[0])
        assert point.num_seeds == 3
        assert point.score == pytest.approx(np.mean(accuracies), abs=0.01)
        assert point.interval[0] < point.score < point.interval[1]


def test_the_last_point_is_the_comparison(result):
    for recipe, compared in zip(
        result.summary.learning_curve.recipes, result.comparison.recipes, strict=True
    ):
        assert recipe.points[-1].score == compared.score
        assert recipe.points[-1].interval == compared.interval
        assert recipe.prediction.num_train == 2 * recipe.points[-1].size
        assert all(a.score < b.score for a, b in pairwise(recipe.points))


def test_python_page_table_and_json_have_the_same_numbers(result, folder):
    frame = result.learning_curve
    assert list(frame.columns) == ["recipe", "num_train", "kind", "seeds", "score", "low", "high"]
    assert frame.kind.tolist() == [*["measured"] * 4, "predicted"] * 2
    page = result.report().read_text("utf-8")
    assert 'id="learning-curve"' in page
    for name, row in frame[frame.kind == "measured"].groupby("recipe").last().iterrows():
        assert name in page
        assert f"{100 * row.score:.1f} ({100 * row.low:.1f} to {100 * row.high:.1f})" in page
    table = (folder / "report" / "tables" / "learning_curve.csv").read_text("utf-8").splitlines()
    assert len(table) == 1 + len(frame)
    content = result.summary.to_dict()["learning_curve"]
    assert content["recipes"][1]["points"][0]["score"] == frame.score[5]
    assert content["sentences"][-1].startswith("With twice the images, ")


def test_only_what_is_missing_is_trained_again_to_the_same_bytes(folder, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(folder, root)
    lost = root / "sizes" / "200" / "tree" / "seed-1"
    content = (lost / "predictions.npz").read_bytes()
    shutil.rmtree(lost)
    assert [status.state for status in study_status(root)[1] if status.size].count("waiting") == 1
    told = bakeoff.open_result(root).summary.learning_curve.sentences[-1]
    assert "of 3 for each number of images: tree with 200 (2 runs); see `bakeoff status`." in told
    assert train(STUDY, root) == ["tree, 200 training images, seed 1"]
    assert (lost / "predictions.npz").read_bytes() == content
    # Another size adds runs; fewer sizes leave what is there.
    more = STUDY.changed(train_sizes=[100, 800])
    assert len(train(more, root)) == 6
    assert bakeoff.open_result(root).summary.learning_curve.sizes[:2] == (100, 800)
    assert {run.size for run in load_study_folder(root).sized_runs} == {100, 800}


def test_runs_that_draw_their_split_draw_parts_of_it(tmp_path):
    trainer = {"trainer": {"name": "sklearn", "estimator": "sklearn.linear_model:RidgeClassifier"}}
    study = STUDY.changed(
        seeds=2, train_sizes=[300], recipes={"tree": None, "ridge": {**trainer, "vary": ["split"]}}
    )
    train(study, tmp_path / "study")
    summary = bakeoff.open_result(tmp_path / "study").summary
    (recipe,) = summary.stored.predictions_at(300).recipes
    pool = sum(sum(summary.stored.data["counts"][name]) for name in ("train", "val"))
    assert recipe.overlap == 300 / (pool - 300)
    assert summary.learning_curve.draws_pool
    assert summary.learning_curve.recipes[0].prediction is None
    assert "not predicted: that takes 3 numbers" in summary.learning_curve.sentences[-1]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([5000], r"train_sizes: found 5,000, but digits has 1,169 training images; expected numbers up to"),
        ([3], r"train_sizes: seed 0 would train on 3 images without one of class '\d'; expected images of"),
    ],
)
def test_sizes_that_the_data_do_not_have_are_refused_before_anything_is_written(tmp_path, sizes, message):
    with pytest.raises(bakeoff.BakeoffError, match=message):
        train(STUDY.changed(train_sizes=sizes), tmp_path / "study")
    assert not (tmp_path / "study").exists()


def difference(size: int, value: float, half: float = 0.01) -> SizeDifference:
    return SizeDifference("a", "b", size, value, (value - half, value + half))


def test_crossings_are_found_with_their_evidence():
    clear = [difference(100, -0.05), difference(200, -0.005), difference(400, 0.005), difference(800, 0.03)]
    (crossing,) = find_crossings(clear, ACCURACY)
    assert (crossing.overtaken, crossing.by, crossing.after, crossing.at) == ("a", "b", 200, 400)
    assert crossing.is_clear
    (crossing,) = find_crossings(clear[:3], ACCURACY)
    assert not crossing.is_clear
    (crossing,) = find_crossings(clear, Scale("log-loss", "nats", higher_is_better=False))
    assert (crossing.overtaken, crossing.by) == ("b", "a")
    assert find_crossings(clear[:2], ACCURACY) == ()
    assert (
        find_crossings([difference(100, 0.01), difference(200, 0.0), difference(400, 0.02)], ACCURACY) == ()
    )
