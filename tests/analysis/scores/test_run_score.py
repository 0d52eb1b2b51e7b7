"""Means of scores per image, and of several scores of one run."""

import numpy as np
import pytest

from bakeoff.analysis.scores.run_score import RunScore, mean_of, mean_score


def test_the_mean_of_a_score_per_image_is_influenced_by_each_images_distance_from_it() -> None:
    found = mean_score(np.array([True, True, True, False]))
    assert found.value == 0.75
    assert found.influence.tolist() == [0.25, 0.25, 0.25, -0.75]
    assert found.of_images.tolist() == [1, 1, 1, 0]


def test_the_mean_of_scores_has_the_mean_influence() -> None:
    one, other = RunScore(0.2, np.array([0.1, -0.1])), RunScore(0.6, np.array([-0.3, 0.3]))
    found = mean_of([one, other])
    assert found.value == pytest.approx(0.4)
    assert found.influence == pytest.approx([-0.1, 0.1])
