import numpy as np
import pytest
from scipy.stats import ttest_1samp

from bakeoff.analysis.failures.confused_pairs import confused_pairs, pair_differences, pairs_by_classes
from bakeoff.predictions import Predictions, RecipePredictions

TRUE_CHANCE = float(np.clip(np.random.default_rng(0).beta(1, 3, 2_000_000), 0.15, 0.85).mean())
"""Of an error, in the simulated population of images."""


def study(labels, *runs_of_recipes, num_classes=3):
    recipes = tuple(
        RecipePredictions(f"recipe {index}", tuple(range(len(runs))), np.asarray(runs))
        for index, runs in enumerate(runs_of_recipes)
    )
    ids = tuple(map(str, range(len(labels))))
    return Predictions(np.asarray(labels), ids, tuple("abcdefghij"[:num_classes]), recipes)


def random_runs(rng, labels, num_seeds, difficulty, seed_sd=0.0, num_classes=3):
    """Runs that err with each image's own chance, shifted a run, into the next class or the one after."""
    shift = rng.normal(0, seed_sd, (num_seeds, 1))
    wrong = rng.random((num_seeds, len(labels))) < difficulty + shift
    return np.where(wrong, (labels + rng.integers(1, num_classes, wrong.shape)) % num_classes, labels)


def test_pairs_come_by_frequency_with_count_and_share():
    labels = [0] * 10 + [1] * 10
    runs = [[1] * 3 + [0] * 7 + [1] * 9 + [2], [1] * 4 + [0] * 6 + [1] * 10]
    pairs = confused_pairs(study(labels, runs))["recipe 0"]
    assert [(pair.true, pair.predicted, pair.mean_count) for pair in pairs] == [(0, 1, 3.5), (1, 2, 0.5)]
    assert pairs[0].share == pytest.approx(0.35)
    assert pairs[0].num_class_images == 10
    assert len(confused_pairs(study(labels, runs), limit=1)["recipe 0"]) == 1


def test_pairs_by_classes_put_recipes_side_by_side():
    labels = [0] * 10 + [1] * 10
    first = [[1] * 4 + [0] * 6 + [1] * 9 + [2]]
    second = [[1] * 1 + [0] * 9 + [1] * 4 + [2] * 6]
    predictions = study(labels, first, second)
    rows = pairs_by_classes(predictions)
    assert [(row.true, row.predicted) for row in rows] == [(1, 2), (0, 1)]  # 7 and 5 in all
    assert [[pair.mean_count for pair in row.by_recipe] for row in rows] == [[1, 6], [4, 1]]
    assert rows[1].by_recipe[0] == confused_pairs(predictions)["recipe 0"][0]
    # Each recipe's most frequent pair, also with the count of the recipe that has others.
    assert len(pairs_by_classes(predictions, limit=1)) == 2
    only_first = study(labels, first, [labels])
    assert [pair.mean_count for pair in pairs_by_classes(only_first, limit=1)[0].by_recipe] == [4, 0]


def test_one_seed_gives_the_interval_over_images():
    taken = np.array([1] * 12 + [0] * 28)
    [pair] = confused_pairs(study([0] * 40, [taken]))["recipe 0"]
    interval = ttest_1samp(taken, 0).confidence_interval(0.95)
    assert (pair.low, pair.high) == pytest.approx((40 * interval.low, 40 * interval.high))


def test_identical_seeds_give_the_interval_over_images_only():
    taken = np.array([1] * 12 + [0] * 28)
    [pair] = confused_pairs(study([0] * 40, [taken] * 4))["recipe 0"]
    sd = 40 * taken.std(ddof=1) / np.sqrt(40)
    assert pair.high - pair.low == pytest.approx(2 * 2.0227 * sd, rel=0.01)


@pytest.mark.parametrize("seed_sd", [0.0, 0.05])
def test_interval_covers_the_count_of_new_seeds_and_new_images(seed_sd):
    rng = np.random.default_rng(3)
    labels, covered, draws = np.zeros(300, dtype=int), 0, 300
    for _ in range(draws):
        chance = np.clip(rng.beta(1, 3, 300), 0.15, 0.85)
        runs = random_runs(rng, labels, 4, chance, seed_sd)
        pair = next(p for p in confused_pairs(study(labels, runs))["recipe 0"] if p.predicted == 1)
        covered += pair.low <= 300 * TRUE_CHANCE / 2 <= pair.high
    assert 0.92 <= covered / draws <= 0.995


def test_a_planted_difference_is_found_and_stated_with_its_direction():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], 300)
    a = random_runs(rng, labels, 5, 0.2)
    b = random_runs(rng, labels, 5, 0.2)
    b[:, :300] = np.where(rng.random((5, 300)) < 0.3, 2, b[:, :300])
    found = pair_differences(study(labels, a, b))
    assert found.num_tested == 6
    assert next((pair.true, pair.predicted) for pair in found.beyond_luck) == (0, 2)
    planted = found.beyond_luck[0]
    by_hand = [(runs[:, :300] == 2).sum(axis=1).mean() for runs in (a, b)]
    assert (planted.mean_count_a, planted.mean_count_b) == pytest.approx(by_hand)
    assert planted.low < planted.difference < planted.high
    assert planted.low > 0
    assert planted.adjusted_p >= planted.p_value


def test_recipes_alike_rarely_differ():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2], 150)
    claims = 0
    for _ in range(200):
        chance = np.clip(rng.beta(1, 3, 450), 0.05, 0.9)
        runs = [random_runs(rng, labels, 4, chance, 0.02) for _ in range(2)]
        claims += bool(pair_differences(study(labels, *runs)).beyond_luck)
    assert claims <= 19  # 5 % of 200 and three standard deviations


def test_rare_pairs_are_not_tested():
    labels = np.zeros(100, dtype=int)
    rare = np.array([[1] * 4 + [0] * 96] * 2)
    assert pair_differences(study(labels, rare, rare)).num_tested == 0
    frequent = np.array([[1] * 5 + [0] * 95] * 2)
    assert pair_differences(study(labels, frequent, frequent)).num_tested == 1
