from collections import Counter
from math import comb
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, random_table

from bakeoff.analysis.failures.difficulty import image_difficulties
from bakeoff.analysis.failures.groups import GROUP_NAMES, image_groups, recipe_p_value
from bakeoff.predictions import Predictions, RecipePredictions


def difficulties(*correct):
    """From bool [num_seeds, num_images] a recipe, two classes, every label 0."""
    recipes = tuple(
        RecipePredictions(f"r{index}", tuple(range(len(right))), 1 - np.asarray(right, dtype=np.int64))
        for index, right in enumerate(correct)
    )
    num_images = np.shape(correct[0])[1]
    study = Predictions(
        np.zeros(num_images, dtype=np.int64), tuple(map(str, range(num_images))), ("a", "b"), recipes
    )
    return image_difficulties(study)


@given(st.integers(1, 10), st.data())
@settings(max_examples=40, deadline=None)
def test_two_recipes_of_as_many_seeds_give_fishers_exact_test(seeds, data):
    right = data.draw(st.tuples(st.integers(0, seeds), st.integers(0, seeds)))
    table = [[count, seeds - count] for count in right]
    assert recipe_p_value(right, (seeds, seeds)) == pytest.approx(fisher_exact(table).pvalue)


@pytest.mark.parametrize(
    ("right", "seeds"),
    [
        ((5, 4, 1), (5, 5, 5)),
        ((3, 1, 7), (3, 5, 10)),
        ((10, 18, 15, 25), (23, 29, 31, 37)),  # no table of their exact statistic has MAX_CELLS or fewer
        ((0, 1, 2, 1, 3) * 70, (3,) * 350),  # more ways to choose runs than a float can hold
    ],
)
def test_several_recipes_agree_with_random_tables(right, seeds):
    rows, columns = np.array(seeds), np.array([sum(right), sum(seeds) - sum(right)])
    tables = random_table(rows, columns, seed=np.random.default_rng(0)).rvs(
        40_000 if len(rows) < 9 else 1_000
    )
    tables = tables[:, :, 0]
    statistic = (tables**2 / rows).sum(axis=1)
    share = np.mean(statistic >= (np.array(right) ** 2 / rows).sum() - 1e-9)
    assert recipe_p_value(right, seeds) == pytest.approx(share, abs=0.01 if len(rows) < 9 else 0.05)


def test_p_values_of_many_runs_are_those_of_counting_in_integers():
    """Of 5 recipes with 15 seeds there are more ways to be right than a float has bits."""
    seeds, right = (15,) * 5, (3, 9, 12, 8, 6)
    ways = Counter({(0, 0): 1})
    for count in seeds:
        extended = Counter()
        for (total, squares), number in ways.items():
            for one in range(count + 1):
                extended[total + one, squares + one**2] += number * comb(count, one)
        ways = extended
    squares = sum(one**2 for one in right)
    at_least = sum(
        number for (total, other), number in ways.items() if total == sum(right) and other >= squares
    )
    expected = at_least / comb(sum(seeds), sum(right))
    assert recipe_p_value(right, seeds) == pytest.approx(expected, rel=1e-13)
    assert recipe_p_value(tuple(15 - one for one in right), seeds) == recipe_p_value(right, seeds)


@pytest.mark.slow
def test_thirty_recipes_with_thirty_seeds_take_seconds():
    rng = np.random.default_rng(0)
    chance = np.clip(rng.random((1, 200)) + 0.1 * rng.normal(size=(30, 200)), 0, 1)
    start = process_time()
    groups = image_groups(difficulties(*(rng.random((30, 200)) < one for one in chance)))
    assert process_time() - start < 20  # 170 s with a dictionary of integers
    assert groups.counts["decided by the recipe"] > 50


def test_floors_are_those_of_permutation():
    assert recipe_p_value((3, 0), (3, 3)) == pytest.approx(0.1)
    assert recipe_p_value((5, 5, 0), (5, 5, 5)) == pytest.approx(3 / 3003)
    assert recipe_p_value((1, 0), (1, 1)) == 1


def test_each_image_is_in_the_group_its_runs_say():
    rng = np.random.default_rng(0)
    base = rng.random(400)
    a, b = (rng.random((10, 400)) < base for _ in range(2))
    a[:, :60], b[:, :60] = True, False  # decided
    a[:, 60:80], b[:, 60:80] = True, True
    a[:, 80:100], b[:, 80:100] = False, False
    groups = image_groups(difficulties(a, b))
    names = [groups.name(image) for image in range(100)]
    assert names == ["decided by the recipe"] * 60 + ["always right"] * 20 + ["always wrong"] * 20
    assert sum(groups.counts.values()) == 400
    decided = groups.counts["decided by the recipe"]
    assert decided == np.sum(groups.p_value <= groups.threshold)
    assert groups.expected_by_luck <= 0.05 * decided


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_groups_are_exclusive_exhaustive_and_follow_the_images(seeds, seed):
    rng = np.random.default_rng(seed)
    chance = rng.random(50)
    correct = [rng.random((count, 50)) < chance for count in seeds]
    groups = image_groups(difficulties(*correct))
    everything = np.concatenate(correct)
    np.testing.assert_array_equal(groups.group == GROUP_NAMES.index("always right"), everything.all(axis=0))
    np.testing.assert_array_equal(groups.group == GROUP_NAMES.index("always wrong"), ~everything.any(axis=0))
    order = rng.permutation(50)
    permuted = image_groups(difficulties(*(right[:, order] for right in correct)))
    np.testing.assert_array_equal(permuted.group, groups.group[order])
    if len(seeds) == 1 or max(seeds) == 1:
        assert groups.counts["decided by the recipe"] == 0


def test_recipes_alike_decide_few_images():
    rng = np.random.default_rng(1)
    some = 0
    for _ in range(200):
        chance = rng.beta(0.5, 0.5, 300)
        some += image_groups(difficulties(*(rng.random((5, 300)) < chance for _ in range(3)))).threshold > 0
    assert some <= 19  # 5 % of 200 and three standard deviations


def test_expected_by_luck_is_the_mean_under_luck():
    rng = np.random.default_rng(2)
    chance = rng.random(500)
    a, b = rng.random((5, 500)) < chance, rng.random((5, 500)) < chance
    a[:, :200], b[:, :200] = True, False
    groups = image_groups(difficulties(a, b))
    assert groups.threshold > 0
    runs, counts = np.concatenate([a, b]), []
    for _ in range(300):
        # Image by image, luck deals the runs out anew.
        dealt = rng.permuted(runs, axis=0)
        p = image_groups(difficulties(dealt[:5], dealt[5:])).p_value
        counts.append(np.sum(p <= groups.threshold))
    assert groups.expected_by_luck == pytest.approx(np.mean(counts), rel=0.15)


def test_groups_contribute_all_of_the_difference_mostly_where_no_single_image_tells():
    """Each image is a little more often right with the second recipe, none so much that a test sees it."""
    rng = np.random.default_rng(0)
    shares = rng.beta(1, 1, 2000)
    a, b = (rng.random((5, 2000)) < np.clip(shares + more, 0, 1) for more in (0.0, 0.06))
    of_a, of_b = difficulties(a, b)
    groups = image_groups([of_a, of_b])
    parts = groups.difference(of_a, of_b)
    total = (b.mean() - a.mean()) * 2000
    assert sum(parts.values()) == pytest.approx(total)
    assert parts["always right"] == parts["always wrong"] == 0
    assert parts["luck of the seed"] > 0.8 * total > 40
