"""Scores by their names, and the coverage of their intervals with unbalanced classes."""

import dataclasses

import numpy as np
import pytest
from benchmarks.score_coverage import draw
from tests.analysis.comparison.samples import draw_predictions

from bakeoff.analysis.scores.by_name import SCORES, score_named
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores
from bakeoff.errors import BakeoffError


def test_every_score_gives_each_run_the_mean_of_its_images() -> None:
    predictions = draw_predictions(num_recipes=1)
    recipe = predictions.recipes[0]
    for score in [*SCORES.values(), score_named("top_2")]:
        of_images = score.of_images(predictions, recipe.name)
        runs = recipe.probabilities if score.needs_probabilities else recipe.predicted
        values = [score.of_run(predictions.labels, run).value for run in runs]
        assert of_images.mean(axis=1) == pytest.approx(values, abs=1e-12)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(BakeoffError, match=r"no score 'macrof1'; did you mean 'macro_f1'\?; expected"):
        score_named("macrof1")
    with pytest.raises(BakeoffError, match="no score 'top_0'"):
        score_named("top_0")


def test_top_k_needs_more_than_k_classes() -> None:
    predictions = draw_predictions(num_recipes=1)
    num_classes = len(predictions.class_names)
    score_named(f"top_{num_classes - 1}").of_images(predictions, "recipe_0")
    for k in (num_classes, 99):
        with pytest.raises(
            BakeoffError, match=f"top_{k} is 100 % .* there are {num_classes} classes; expected"
        ):
            score_named(f"top_{k}").of_images(predictions, "recipe_0")


def test_what_a_score_lacks_is_said() -> None:
    predictions = draw_predictions(num_recipes=1, probabilities=False)
    with pytest.raises(BakeoffError, match="recipe_0 has no probabilities, which auroc needs"):
        score_named("auroc").of_images(predictions, "recipe_0")
    of_one_class = dataclasses.replace(draw_predictions(num_recipes=1), labels=np.zeros(300, np.int64))
    with pytest.raises(BakeoffError, match="auroc: all images are of one class"):
        score_named("auroc").of_images(of_one_class, "recipe_0")


@pytest.mark.slow
@pytest.mark.parametrize("num_images", [500, 2000])
@pytest.mark.parametrize("num_seeds", [3, 5, 10])
def test_intervals_cover_with_unbalanced_classes(num_seeds: int, num_images: int) -> None:
    scores = [*SCORES.values(), score_named("top_2")]
    large = [draw(np.random.default_rng([1, number]), 20, 20_000, 1.0) for number in range(20)]
    truth = {
        score.name: float(np.mean([score.of_images(drawn, "r").mean() for drawn in large]))
        for score in scores
    }
    covered = dict.fromkeys(truth, 0)
    for number in range(300):
        drawn = draw(np.random.default_rng([number, num_seeds]), num_seeds, num_images, 1.0)
        for score in scores:
            summary = summarize_scores(score.of_images(drawn, "r"))
            interval = crossed_interval(summary, bounds=score.bounds)
            covered[score.name] += interval.low <= truth[score.name] <= interval.high
    share = {name: count / 300 for name, count in covered.items()}
    # docs/statistics/scores.md has 500 repetitions: 0.924 to 0.976.
    assert all(0.9 <= found <= 0.995 for found in share.values()), share
