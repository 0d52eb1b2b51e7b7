"""The noise budget by hand and in simulated runs."""

import numpy as np
import pytest

from bakeoff.analysis.statistics.crossed import summarize_scores
from bakeoff.analysis.statistics.noise_budget import noise_budget


def test_the_parts_of_a_small_study_by_hand() -> None:
    # Accuracies 1/2, 3/4 and 1; shares of seeds right 1, 1, 2/3 and 1/3.
    right = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]], dtype=bool)
    budget = noise_budget(summarize_scores(right))
    assert budget.seed_std == pytest.approx(1 / 4)
    assert budget.floor_std == pytest.approx(np.sqrt(2 / 9 + 2 / 9) / 4)
    assert budget.binomial_se == pytest.approx(np.sqrt(3 / 16 / 4))
    # V_img = (11/108) / 4, V_seed = (1/16) / 3, V_res = (5/36) / 12.
    assert budget.image_share == pytest.approx(11 / (11 + 9 - 5))
    assert budget.image_share + budget.seed_share == pytest.approx(1)


def test_runs_whose_images_are_independent_vary_as_the_floor_says() -> None:
    rng = np.random.default_rng(0)
    num_seeds = 5
    chances = rng.random(400)
    budgets = [noise_budget(summarize_scores(rng.random((num_seeds, 400)) < chances)) for _ in range(300)]
    variance = np.mean([budget.seed_std**2 for budget in budgets])
    floor = np.mean([budget.floor_std**2 for budget in budgets])
    assert variance == pytest.approx(floor * num_seeds / (num_seeds - 1), rel=0.1)


def test_runs_that_differ_as_wholes_vary_more_than_the_floor() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((5, 1000)) < np.array([[0.4], [0.5], [0.6], [0.7], [0.8]])
    budget = noise_budget(summarize_scores(right))
    assert budget.seed_std > 5 * budget.floor_std
    assert budget.seed_share > 0.9


def test_one_seed_has_the_binomial_part_alone() -> None:
    budget = noise_budget(summarize_scores(np.array([[True, True, True, False]])))
    assert budget.binomial_se == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert (budget.seed_std, budget.floor_std, budget.image_share, budget.seed_share) == (None,) * 4


def test_runs_without_variance_have_no_shares() -> None:
    budget = noise_budget(summarize_scores(np.ones((3, 10), bool)))
    assert (budget.seed_std, budget.floor_std, budget.binomial_se) == (0, 0, 0)
    assert budget.image_share is budget.seed_share is None
