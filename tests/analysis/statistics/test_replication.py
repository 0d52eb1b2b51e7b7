"""The prediction interval of one new run: by the mean squares of statsmodels, and in a simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from tests.analysis.comparison.samples import DIFFICULTY, INTERACTION, SEED_STD, draw_correct

from bakeoff.analysis.statistics.crossed import summarize_scores
from bakeoff.analysis.statistics.replication import replication

NUM_IMAGES = 500


@pytest.mark.parametrize("published_images", [None, 20, 1_000])
def test_the_interval_follows_from_the_mean_squares_of_statsmodels(published_images: int | None) -> None:
    rng = np.random.default_rng(5)
    num_seeds, num_images = 4, 40
    chances = np.linspace(0.1, 0.9, num_images) + np.array([[-0.3], [-0.1], [0.1], [0.3]])
    right = rng.random((num_seeds, num_images)) < chances
    seed, image = np.indices(right.shape)
    table = pd.DataFrame({"right": right.ravel().astype(float), "seed": seed.ravel(), "image": image.ravel()})
    squares = anova_lm(ols("right ~ C(seed) + C(image)", table).fit())["mean_sq"]
    of_seeds, of_images, of_rest = squares["C(seed)"], squares["C(image)"], squares["Residual"]
    assert min(of_seeds, of_images) > of_rest  # no component is held at 0
    images_there = published_images or num_images

    seeds_alone = (of_seeds - of_rest) / num_images
    images_alone = (of_images - of_rest) / num_seeds
    here = seeds_alone / num_seeds + images_alone / num_images + of_rest / (num_seeds * num_images)
    there = seeds_alone + (images_alone + of_rest) / images_there
    by_seeds = of_seeds / num_images * (1 / num_seeds + 1)
    by_images = of_images / num_seeds * (1 / num_images + 1 / images_there)
    degrees = (here + there) ** 2 / (by_seeds**2 / (num_seeds - 1) + by_images**2 / (num_images - 1))
    half = student.ppf(0.975, max(degrees, num_seeds - 1)) * np.sqrt(here + there)

    found = replication(summarize_scores(right), 0.5, published_images=published_images)
    assert found.published_images == images_there
    assert found.interval == pytest.approx((max(right.mean() - half, 0), min(right.mean() + half, 1)))


def test_a_published_accuracy_at_the_end_of_the_interval_is_inside() -> None:
    summary = summarize_scores(np.random.default_rng(0).random((5, 300)) < 0.6)
    interval = replication(summary, 0.6).interval
    assert interval is not None
    for end, outwards in zip(interval, (-1, 1), strict=True):
        assert replication(summary, end).inside is True
        assert replication(summary, end + outwards * 1e-9).inside is False


def test_one_seed_predicts_nothing() -> None:
    found = replication(summarize_scores(np.array([[True, False, True]])), 0.7)
    assert (found.interval, found.inside, found.published_images) == (None, None, 3)


def test_prediction_intervals_hold_one_new_run_on_new_images() -> None:
    rng = np.random.default_rng(7)
    inside = {5: 0, 10: 0}
    for num_seeds in inside:
        for _ in range(500):
            here = draw_correct(
                rng, num_seeds, DIFFICULTY * rng.normal(size=NUM_IMAGES), 0.0, SEED_STD, INTERACTION
            )
            there = draw_correct(rng, 1, DIFFICULTY * rng.normal(size=400), 0.0, SEED_STD, INTERACTION)
            found = replication(summarize_scores(here), float(there.mean()), published_images=400)
            inside[num_seeds] += bool(found.inside)
    assert all(0.92 <= count / 500 <= 0.98 for count in inside.values()), inside
