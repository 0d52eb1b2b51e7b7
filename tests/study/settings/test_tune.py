"""The spaces of a search: what can be drawn, and what is refused."""

import pytest
from pydantic import ValidationError

from bakeoff.study.settings.tune import Space, TuneSettings

SHARES = [number / 1000 for number in range(1000)]


def draws(**space) -> list:
    made = Space(**space)
    return [made.value_at(share) for share in SHARES]


def test_a_range_is_drawn_evenly():
    drawn = draws(low=1.0, high=3.0)
    assert drawn == sorted(drawn)
    assert (drawn[0], drawn[500]) == (1.0, 2.0)
    assert max(drawn) <= 3.0


def test_with_log_each_factor_of_ten_is_as_likely():
    drawn = draws(low=0.001, high=1.0, log=True)
    assert min(drawn) == 0.001
    assert max(drawn) <= 1.0
    for low in (0.001, 0.01, 0.1):
        assert sum(low <= value < 10 * low for value in drawn) == pytest.approx(1000 / 3, abs=2)


@pytest.mark.parametrize("log", [False, True])
def test_between_whole_numbers_whole_numbers_are_drawn_both_ends_included(log):
    drawn = draws(low=1, high=4, log=log)
    assert set(drawn) == {1, 2, 3, 4}
    assert all(isinstance(value, int) for value in drawn)
    if not log:
        assert [drawn.count(value) for value in (1, 2, 3, 4)] == [250] * 4


def test_choices_are_equally_likely():
    drawn = draws(choices=["sgd", "adam", 0, True])
    assert [drawn.count(value) for value in ("sgd", "adam")] == [250, 250]


def test_numbers_have_four_digits():
    assert all(value == float(f"{value:.4g}") for value in draws(low=0.0001, high=0.02))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"low": 2, "high": 1}, "low is 2 and high 1; expected low below high"),
        ({"low": 0, "high": 1, "log": True}, "low is 0 with log = true; expected a number above 0"),
        ({"low": -1.0, "high": 1.0, "log": True}, "low is -1.0 with log = true"),
        ({"low": 1}, "expected { low = ..., high = ... } or { choices = [...] }"),
        ({}, "expected { low = ..., high = ... } or { choices = [...] }"),
        ({"choices": [1]}, "choices has 1 value; expected two or more"),
        ({"choices": []}, "choices has 0 value"),
        ({"choices": [1, 2, 1]}, "choices has a value twice"),
        ({"choices": [1, 2], "low": 1}, "has choices and a range"),
        ({"choices": [1, float("nan")]}, "expected finite numbers"),
        ({"low": 1.0, "high": float("inf")}, "finite"),
        ({"low": "a", "high": 1}, "valid"),
    ],
)
def test_impossible_spaces_are_refused(space, message):
    with pytest.raises(ValidationError) as caught:
        Space(**space)
    assert message in str(caught.value)


def test_the_metric_is_a_score_of_the_validation_images():
    assert TuneSettings(metric="val_accuracy").metric == "accuracy"
    assert TuneSettings(metric="macro_f1").metric == "macro_f1"
    with pytest.raises(ValidationError, match=r"found 'los', expected accuracy, .* log_loss"):
        TuneSettings(metric="val_los")
