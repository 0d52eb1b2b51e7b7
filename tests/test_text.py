import pytest

from bakeoff import text as writing


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.84, "0.8 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3600, "1 h 00 min"),
        (7830, "2 h 10 min"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert writing.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5757, "1.58"),
        (0.000372, "0.00037"),
        (0.0, "0.00"),
        (-2.0, "-2.00"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_a_small_number_does_not_become_zero(value: float | None, text: str) -> None:
    assert writing.number(value) == text


def test_a_mean_count_has_a_decimal_and_a_count_has_none() -> None:
    assert writing.mean_count(24.2, 5) == "24.2"
    assert writing.mean_count(24.0, 5) == "24.0"
    assert writing.mean_count(1200.0, 1) == "1,200"


def test_span_and_percent() -> None:
    assert writing.span([31, 17, 20]) == "17 to 31"
    assert writing.span([5, 5]) == "5"
    assert writing.in_percent(0.4567) == "45.7\N{NO-BREAK SPACE}%"
    assert writing.percent(None) == writing.percent(float("nan")) == "–"


def test_the_nearest_valid_word_is_suggested_and_none_that_is_far() -> None:
    assert writing.did_you_mean("epoch", ["seeds", "epochs"]) == "; did you mean 'epochs'?"
    assert writing.did_you_mean("colour", ["seeds", "epochs"]) == ""
    assert writing.did_you_mean("sgb", ["sgd"], cutoff=0.9) == ""
