import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.analysis.failures.facts import COLORS
from bakeoff.analysis.failures.unusual import class_norms, unusual_color, unusual_facts


def norms_of(values, colors=None):
    values = np.asarray(values, dtype=np.float32)
    colors = np.zeros(len(values), dtype=np.int64) if colors is None else np.asarray(colors)
    return class_norms({"brightness": values}, colors, np.zeros(len(values), dtype=np.int64))


def test_beyond_95_percent_is_unusual_and_94_percent_is_not():
    norms = norms_of(np.arange(100))
    [high] = unusual_facts({"brightness": 95.0}, 0, norms)
    assert (high.high, high.share_beyond, high.median, high.num_reference) == (True, 0.95, 49.5, 100)
    assert unusual_facts({"brightness": 94.0}, 0, norms) == ()
    [low] = unusual_facts({"brightness": 4.0}, 0, norms)
    assert (low.high, low.share_beyond) == (False, 0.95)
    assert unusual_facts({"brightness": 5.0}, 0, norms) == ()


def test_a_value_that_many_share_is_not_unusual():
    assert unusual_facts({"brightness": 0.0}, 0, norms_of([0.0] * 60 + [0.5] * 40)) == ()


def test_too_few_reference_images_say_nothing():
    assert unusual_facts({"brightness": 1000.0}, 0, norms_of(np.arange(19))) == ()
    assert len(unusual_facts({"brightness": 1000.0}, 0, norms_of(np.arange(20)))) == 1
    assert unusual_facts({"brightness": 1000.0}, 7, norms_of(np.arange(20))) == ()


@given(st.integers(20, 200), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_share_beyond_is_what_counting_gives(count, seed):
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 30, count).astype(np.float32)
    value = float(rng.integers(-2, 33))
    below, above = np.mean(reference < value), np.mean(reference > value)
    found = unusual_facts({"brightness": value}, 0, norms_of(reference))
    assert bool(found) == (max(below, above) >= 0.95)
    if found:
        assert found[0].share_beyond == pytest.approx(above if above > below else below)
        assert found[0].high == (below > above)


def test_the_norm_is_that_of_the_images_own_class():
    values = np.concatenate([np.arange(100), np.arange(100) + 1000]).astype(np.float32)
    labels = np.repeat([0, 1], 100)
    norms = class_norms({"brightness": values}, np.zeros(200, dtype=np.int64), labels)
    assert unusual_facts({"brightness": 1050.0}, 1, norms) == ()
    assert unusual_facts({"brightness": 1050.0}, 0, norms)[0].share_beyond == 1.0


def test_a_rare_color_is_unusual():
    green, red = COLORS.index("green"), COLORS.index("red")
    norms = norms_of(np.zeros(100), [green] * 95 + [red] * 5)
    rare = unusual_color(red, 0, norms)
    assert rare is not None
    assert (rare.color, rare.num_alike, rare.num_reference) == ("red", 5, 100)
    assert unusual_color(green, 0, norms) is None
    assert unusual_color(red, 0, norms_of(np.zeros(100), [green] * 94 + [red] * 6)) is None
