import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bakeoff.data import statistics
from bakeoff.data.statistics import channel_statistics


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.just(3), st.just(4), st.just(3))))
def test_mean_and_std_are_those_of_the_pixels(images):
    mean, std = channel_statistics(images)
    scaled = images.reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, scaled.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(std, scaled.std(axis=0), rtol=1e-9, atol=1e-9)


def test_chunks_do_not_change_a_bit_of_it(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (101, 8, 8, 3), np.uint8)
    whole = channel_statistics(images)
    monkeypatch.setattr(statistics, "BYTES_PER_CHUNK", 1000)
    assert len(list(statistics.chunks(images))) > 10
    assert channel_statistics(images) == whole


def test_a_constant_channel_has_no_spread():
    assert channel_statistics(np.full((3, 5, 5, 3), 77, np.uint8))[1] == (0.0, 0.0, 0.0)
