"""A power law through scores: found again where there is one, and an interval that holds on real curves."""

import numpy as np
import pytest
from tests.analysis.learning_curve.real_curves import curves

from bakeoff.analysis.learning_curve.power_law import MISFIT, predict_score

SIZES = np.array([250, 500, 1000, 2000])


def drawn(rng: np.random.Generator, sizes: np.ndarray, law: tuple[float, float, float]) -> list[np.ndarray]:
    """The scores of five runs at each size; they vary less with more images."""
    a, b, c = law
    return [a + b * size**-c + 0.3 * size**-0.5 * rng.normal(size=5) for size in sizes]


def test_a_power_law_is_continued():
    scores = [0.9 - 3.0 * size**-0.5 + np.array([-1e-4, 0, 1e-4]) for size in SIZES]
    found = predict_score(SIZES, scores, 4000)
    assert found is not None
    assert found.value == pytest.approx(0.9 - 3.0 * 4000**-0.5, abs=1e-3)
    assert found.low < found.value < found.high
    assert predict_score(SIZES, scores, 4000) == found
    # Even if all runs agree, real curves are no power laws.
    gain = found.value - float(scores[-1].mean())
    assert found.high - found.low > 2 * MISFIT * gain


def test_the_interval_holds_for_power_laws_with_noise():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        law = (rng.uniform(0.6, 0.95), -rng.uniform(0.5, 3.0), rng.uniform(0.2, 0.8))
        *known, new = drawn(rng, np.array([*SIZES, 4000]), law)
        found = predict_score(SIZES, known, 4000)
        assert found is not None
        held += found.low <= new.mean() <= found.high
    assert held >= 188


def test_scores_of_which_less_is_better_are_mirrored():
    rng = np.random.default_rng(1)
    scores = drawn(rng, SIZES, (0.8, -2.0, 0.5))
    up = predict_score(SIZES, scores, 3000)
    down = predict_score(SIZES, [1 - runs for runs in scores], 3000, higher_is_better=False)
    assert up is not None
    assert down is not None
    assert down.value == pytest.approx(1 - up.value)
    assert (down.low, down.high) == pytest.approx((1 - up.high, 1 - up.low))
    loss = predict_score(
        SIZES, [3 - runs for runs in scores], 3000, higher_is_better=False, bounds=(0.0, float("inf"))
    )
    assert loss is not None
    assert loss.value == pytest.approx(3 - up.value, abs=0.01)


@pytest.mark.parametrize(
    "scores",
    [[1.0, 1.0, 1.0], [0.9, 0.5, 0.2], [0.0, 0.0, 0.0], [0.2, 0.2, 1.0]],
    ids=["perfect", "falling", "nothing", "jump"],
)
def test_whatever_the_scores_the_prediction_is_a_score(scores):
    found = predict_score([100, 200, 400], [np.array([score, score]) for score in scores], 800)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_nothing_is_predicted_from_too_little_or_too_far():
    scores = drawn(np.random.default_rng(2), SIZES, (0.8, -2.0, 0.5))
    assert predict_score(SIZES[:2], scores[:2], 800) is None
    assert predict_score(SIZES, [*scores[:3], scores[3][:1]], 3000) is None
    for at in (2000, 4001):
        with pytest.raises(ValueError, match="out of range"):
            predict_score(SIZES, scores, at)


@pytest.mark.slow
def test_on_real_data_the_interval_from_up_to_half_holds_what_all_images_give():
    """The classifiers of scikit-learn on digits and, where it is, Fashion-MNIST."""
    held = []
    for _, sizes, scores in curves():
        found = predict_score(sizes[:-1], scores[:-1], sizes[-1])
        assert found is not None
        held.append(found.low <= float(scores[-1].mean()) <= found.high)
    assert sum(held) >= 0.9 * len(held)
