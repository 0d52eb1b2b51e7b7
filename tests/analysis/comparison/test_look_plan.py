"""The plan of looks against published constants, SciPy's multivariate normal, and a simulation of t."""

import numpy as np
import pytest
from scipy.special import ndtri, stdtr
from scipy.stats import multivariate_normal

from bakeoff.analysis.comparison.look_plan import LookPlan, plan_looks


@pytest.mark.parametrize(
    ("looks", "nominal"), [(2, 0.0294), (3, 0.0221), (4, 0.0182), (5, 0.0158), (10, 0.0106)]
)
def test_equal_rounds_give_the_levels_that_pocock_published(looks: int, nominal: float) -> None:
    plan = LookPlan(tuple(range(1, looks + 1)))
    assert 1 - plan.level == pytest.approx(nominal, abs=5e-5)


@pytest.mark.parametrize("seeds", [(5, 7, 10), (3, 5, 10), (5, 10, 20), (3, 4, 100), (19, 20)])
def test_any_rounds_give_the_chance_that_the_multivariate_normal_gives(seeds: tuple[int, ...]) -> None:
    ratio = np.divide.outer(seeds, seeds)
    correlation = np.sqrt(np.minimum(ratio, 1 / ratio))
    plan = LookPlan(seeds)
    for p in (0.2, 1 - plan.level, 0.001):
        bound = np.full(len(seeds), -ndtri(p / 2))
        oracle = 2 * (1 - multivariate_normal(cov=correlation, abseps=1e-8, releps=1e-8).cdf(bound))
        assert plan.adjust(p) == pytest.approx(oracle, abs=2e-6, rel=1e-4)
    assert plan.adjust(1 - plan.level) == pytest.approx(0.05)


def test_one_look_changes_nothing_and_more_cost_more() -> None:
    assert LookPlan((5,), 0.9).level == 0.9
    assert [LookPlan((5,)).adjust(p) for p in (0.0, 0.03, 1.0)] == [0.0, 0.03, 1.0]
    plan = plan_looks(5, 20)
    adjusted = [plan.adjust(p) for p in (0, 1e-300, 1e-12, 1e-4, 0.02, 0.5, 1.0)]
    assert adjusted == sorted(adjusted)
    assert adjusted[0] == 0
    assert adjusted[-1] == 1
    assert adjusted[2] == pytest.approx(3e-12, rel=0.05)  # far out, looks are as good as independent


def test_looks_are_few_and_end_at_the_maximum() -> None:
    assert plan_looks(5, 10).seeds == (5, 7, 10)
    assert plan_looks(3, 10).seeds == (3, 5, 10)
    assert plan_looks(5, 20).seeds == (5, 10, 20)
    assert plan_looks(5, 6).seeds == (5, 6)
    assert plan_looks(7, 7).seeds == (7,)
    for first, most in [(3, 4), (3, 10_000), (999, 1_000)]:
        seeds = plan_looks(first, most).seeds
        assert sorted(set(seeds)) == list(seeds)
        assert (seeds[0], seeds[-1]) == (first, most)


@pytest.mark.parametrize(("first", "most"), [(3, 10), (5, 10), (5, 20)])
@pytest.mark.parametrize("images", [0.0, 0.3, 1.0])
def test_the_level_holds_with_variances_estimated_from_few_seeds(
    first: int, most: int, images: float
) -> None:
    """Means over seeds of two equal recipes plus the same luck of the images at each look; t, not z.

    `images` is the variance that these give, in units of one seed's.
    """
    rng = np.random.default_rng(11)
    num_draws = 60_000
    plan = plan_looks(first, most)
    a, b = rng.normal(size=(2, num_draws, most))
    luck = rng.normal(scale=np.sqrt(images), size=num_draws)
    ever = np.zeros(num_draws, bool)
    for count in plan.seeds:
        parts = [runs[:, :count].var(axis=1, ddof=1) / count for runs in (a, b)]
        variance = sum(parts) + images
        degrees = np.maximum(variance**2 / (sum(part**2 for part in parts) / (count - 1)), count - 1)
        difference = b[:, :count].mean(axis=1) - a[:, :count].mean(axis=1) + luck
        ever |= 2 * stdtr(degrees, -abs(difference) / np.sqrt(variance)) < 1 - plan.level
    assert ever.mean() < 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / num_draws), ever.mean()
    assert ever.mean() > 0.03, ever.mean()
