import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import false_discovery_control, ttest_ind
from statsmodels.formula.api import ols

from bakeoff.analysis.failures.facts import FACTS, image_facts
from bakeoff.analysis.failures.trends import error_trends, largest_differences, properties
from bakeoff.predictions import Predictions, RecipePredictions


def study(labels, wrong, name="r"):
    """From bool [num_seeds, num_images]: a wrong run says the next class."""
    predicted = np.where(wrong, (labels + 1) % 10, labels)
    recipe = RecipePredictions(name, tuple(range(len(wrong))), predicted)
    return Predictions(labels, tuple(map(str, range(len(labels)))), tuple("abcdefghij"), (recipe,))


def random_facts(rng, num_images):
    return {fact.name: rng.normal(size=num_images).astype(np.float32) for fact in FACTS}


@pytest.fixture(scope="module")
def real(photographs):
    paths = sorted((photographs / "test").glob("*.png"))
    labels = np.array([int(path.stem.split("_")[1]) - 1 for path in paths])
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.asarray(image.convert("RGB").resize((32, 32))))
    return np.stack(images), labels


def test_images_darkened_and_made_wrong_give_the_sentence(real):
    images, labels = real
    rng = np.random.default_rng(0)
    dark = rng.random(len(images)) < 0.25
    images = np.where(dark[:, None, None, None], images * 0.25, images).astype(np.uint8)
    wrong = rng.random((4, len(images))) < np.where(dark, 0.8, 0.4)
    facts = image_facts(images)
    trends = {trend.fact.name: trend for trend in error_trends(study(labels, wrong), facts)}
    brightness = trends["brightness"]
    [lowest] = [end for end in brightness.significant if not end.high]
    error = wrong.mean(axis=0)
    inside = facts["brightness"] <= np.sort(facts["brightness"])[len(error) // 4 - 1]
    assert lowest.inside == pytest.approx(error[inside].mean())
    assert lowest.elsewhere == pytest.approx(error[~inside].mean())
    sentence = next(text for text in brightness.sentences() if text.startswith("Darkest"))
    assert sentence.startswith(
        f"Darkest quarter: error rate {100 * lowest.within_class.value:.0f} points "
        f"({100 * lowest.within_class.low:.0f} to {100 * lowest.within_class.high:.0f}) higher than "
    )
    assert sentence.endswith(
        f"; over all classes {100 * error[inside].mean():.0f} %, compared with "
        f"{100 * error[~inside].mean():.0f} % elsewhere."
    )
    first, num_others = largest_differences(list(trends.values()))
    assert sentence in first
    largest = max(abs(end.within_class.value) for trend in trends.values() for end in trend.significant)
    assert f"error rate {100 * largest:.0f} points " in first[0]
    assert len(first) + num_others == sum(len(trend.significant) for trend in trends.values())


def test_properties_put_recipes_side_by_side_the_largest_first():
    labels = np.repeat([0, 1], 100)
    brightness = np.tile(np.arange(100), 2).astype(np.float32)
    often_in_dark = np.array([brightness < 25])
    in_no_quarter = np.array([(brightness >= 25) & (brightness < 50)])
    trends = [
        trend
        for name, wrong in (("a", often_in_dark), ("b", in_no_quarter))
        for trend in error_trends(study(labels, wrong, name), {"brightness": brightness})
    ]
    darkest, brightest = properties(trends)
    assert (darkest.name, brightest.name) == ("darkest", "brightest")
    # Of 25 dark images all are wrong for a, none elsewhere; for b 25 of the 75 others.
    assert {name: end.within_class.value for name, end in darkest.ends.items()} == pytest.approx(
        {"a": 1, "b": -1 / 3}
    )
    assert {name: end.within_class.value for name, end in brightest.ends.items()} == pytest.approx(
        {"a": -1 / 3, "b": -1 / 3}
    )
    assert darkest.significant == {"a", "b"}


def test_statistics_are_those_of_welch_benjamini_hochberg_and_least_squares():
    rng = np.random.default_rng(1)
    labels = rng.integers(10, size=400)
    facts = random_facts(rng, 400)
    facts["brightness"] += labels / 3
    wrong = rng.random((3, 400)) < 0.3 + labels[None] / 30
    trends = error_trends(study(labels, wrong), facts)
    error = wrong.mean(axis=0)
    ends = [(trend.fact.name, end) for trend in trends for end in trend.ends]
    assert len(ends) == 2 * len(FACTS)
    for name, end in ends:
        inside = facts[name] >= end.edge if end.high else facts[name] <= end.edge
        assert end.num_images == inside.sum() == pytest.approx(100, abs=1)
        welch = ttest_ind(error[inside], error[~inside], equal_var=False)
        interval = welch.confidence_interval(0.95)
        assert (end.difference.low, end.difference.high) == pytest.approx((interval.low, interval.high))
        table = pd.DataFrame({"error": error, "inside": inside.astype(float), "label": labels})
        fitted = ols("error ~ inside + C(label)", table).fit(cov_type="HC1", use_t=True)
        assert end.within_class.value == pytest.approx(fitted.params["inside"])
        assert end.p_value == pytest.approx(fitted.pvalues["inside"], rel=1e-6)
        assert [end.within_class.low, end.within_class.high] == pytest.approx(
            list(fitted.conf_int().loc["inside"]), abs=1e-9
        )
    adjusted = false_discovery_control([end.p_value for _, end in ends])
    assert [end.adjusted_p for _, end in ends] == pytest.approx(list(adjusted))
    assert [bool(t.significant) for t in trends] == [
        any(e.adjusted_p <= 0.05 for e in t.ends) for t in trends
    ]


def test_a_trend_that_is_only_the_mix_of_classes_is_not_claimed():
    rng = np.random.default_rng(2)
    labels = rng.integers(10, size=2000)
    facts = random_facts(rng, 2000)
    facts["brightness"] = (labels + rng.normal(0, 0.5, 2000)).astype(np.float32)
    wrong = rng.random((3, 2000)) < 0.1 + labels[None] / 15
    trend = next(t for t in error_trends(study(labels, wrong), facts) if t.fact.name == "brightness")
    highest = next(end for end in trend.ends if end.high)
    assert highest.difference.low > 0.1
    assert highest.within_class.low < 0 < highest.within_class.high
    assert trend.significant == ()


def test_an_effect_within_classes_that_their_mix_hides_is_found():
    rng = np.random.default_rng(5)
    labels = rng.integers(10, size=2000)
    facts = random_facts(rng, 2000)
    dark = rng.random(2000) < 0.25 + 0.03 * (labels - 4.5)  # darkness is more frequent in easy classes
    facts["brightness"] = np.where(dark, -5, 0).astype(np.float32) + facts["brightness"]
    wrong = rng.random((3, 2000)) < 0.6 - labels[None] / 20 + 0.12 * dark
    trend = next(t for t in error_trends(study(labels, wrong), facts) if t.fact.name == "brightness")
    [lowest] = [end for end in trend.significant if not end.high]
    assert lowest.within_class.low > 0.03
    assert lowest.within_class.value > lowest.difference.value + 0.02


def test_without_an_effect_trends_are_rarely_claimed(real):
    images, labels = real
    facts = image_facts(images)
    rng = np.random.default_rng(3)
    draws_with_a_claim = 0
    for _ in range(200):
        chance = rng.beta(0.7, 0.7, len(labels))
        wrong = rng.random((3, len(labels))) < chance
        draws_with_a_claim += any(t.significant for t in error_trends(study(labels, wrong), facts))
    assert draws_with_a_claim <= 19  # 5 % of 200 and three standard deviations


def test_quarters_hold_every_image_once_and_equal_values_stay_together():
    rng = np.random.default_rng(4)
    labels = rng.integers(10, size=200)
    values = np.concatenate([np.zeros(120), rng.random(80) + 1]).astype(np.float32)
    wrong = rng.random((3, 200)) < 0.5
    [trend] = error_trends(study(labels, wrong), {"border blueness": values})
    assert sum(quarter.num_images for quarter in trend.quarters) == 200
    assert trend.quarters[0].num_images == 120
    for before, after in zip(trend.quarters, trend.quarters[1:], strict=False):
        assert before.highest_value < after.lowest_value
    assert [end.high for end in trend.ends] == [True]
    mean = sum(q.num_images * q.error_rate.value for q in trend.quarters) / 200
    assert mean == pytest.approx(wrong.mean())
    assert all(0 <= q.error_rate.low <= q.error_rate.value <= q.error_rate.high <= 1 for q in trend.quarters)


def test_a_constant_fact_and_perfect_runs_claim_nothing():
    labels = np.arange(100) % 10
    right = np.zeros((2, 100), dtype=bool)
    facts = {
        "brightness": np.ones(100, dtype=np.float32),
        "contrast": np.arange(100, dtype=np.float32),
    }
    constant, varied = error_trends(study(labels, right), facts)
    assert constant.ends == ()
    assert len(varied.ends) == 2
    assert constant.significant == varied.significant == ()
    assert varied.sentences() == ()
