"""The verdicts of docs/statistics/verdict.md, and the laws that all verdicts keep."""

from hypothesis import assume, given
from hypothesis import strategies as st

from bakeoff.analysis.statistics.verdict import verdict


def test_the_verdicts_on_the_page_are_what_the_code_gives() -> None:
    def judge(low: float, high: float, p: float) -> tuple[str, bool]:
        found = verdict(low / 100, high / 100, p, margin=0.01, confidence=0.95)
        return found.name, found.smaller_than_margin

    assert judge(1.6, 3.8, 0.001) == ("better", False)
    assert judge(0.2, 0.8, 0.004) == ("better", True)
    assert judge(-0.4, 0.6, 0.7) == ("equivalent", False)
    assert judge(0.4, 7.1, 0.07) == ("undecided", False)
    assert judge(-2.6, 0.4, 0.2) == ("undecided", False)
    assert judge(-3.8, -1.6, 0.001) == ("worse", False)
    assert judge(-0.8, -0.2, 0.004) == ("worse", True)


ends = st.floats(-1, 1)


@given(ends, ends, st.floats(0, 1), st.floats(1e-3, 0.2))
def test_exchanging_the_recipes_exchanges_better_and_worse(
    one: float, other: float, p: float, margin: float
) -> None:
    low, high = sorted((one, other))
    forth = verdict(low, high, p, margin=margin, confidence=0.95)
    back = verdict(-high, -low, p, margin=margin, confidence=0.95)
    opposite = {"better": "worse", "worse": "better"}
    assert back.name == opposite.get(forth.name, forth.name)
    assert back.smaller_than_margin == forth.smaller_than_margin


@given(ends, ends, st.floats(0, 1), st.floats(1e-3, 0.2))
def test_no_recipe_is_better_by_its_interval_or_its_p_value_alone(
    one: float, other: float, p: float, margin: float
) -> None:
    low, high = sorted((one, other))
    assume(low <= 0 <= high or p >= 0.051)
    assert verdict(low, high, p, margin=margin, confidence=0.95).name in ("equivalent", "undecided")


def test_an_interval_that_ends_at_the_margin_is_not_inside() -> None:
    assert verdict(-0.01, 0.005, 0.5, margin=0.01, confidence=0.95).name == "undecided"
    assert verdict(-0.005, 0.01, 0.5, margin=0.01, confidence=0.95).name == "undecided"
    assert verdict(-0.0099, 0.0099, 0.5, margin=0.01, confidence=0.95).name == "equivalent"
