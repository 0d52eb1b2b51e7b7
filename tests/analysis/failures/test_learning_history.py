import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.analysis.failures.learning_history import learning_history, summarize_history


def slow_history(run):
    """(epoch learned, times forgotten) of one image in one run, step by step."""
    learned, forgotten, known = np.inf, 0, False
    for epoch, probability in enumerate(run, start=1):
        if probability > 0.5 and not known:
            learned, known = epoch, True
        elif probability <= 0.5 and known:
            learned, known = np.inf, False
            forgotten += 1
    return learned, forgotten


@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_agrees_with_going_through_the_epochs(num_seeds, num_epochs, seed):
    rng = np.random.default_rng(seed)
    dynamics = rng.random((num_seeds, num_epochs, 15)).astype(np.float16)
    dynamics[:, :, 0], dynamics[:, :, 1] = 0.9, 0.1
    found = learning_history(dynamics)
    slow = np.array([[slow_history(run[:, image]) for image in range(15)] for run in dynamics])
    np.testing.assert_array_equal(found.epoch_learned, np.median(slow[:, :, 0], axis=0))
    np.testing.assert_allclose(found.num_forgotten, slow[:, :, 1].mean(axis=0))
    assert (found.epoch_learned[0], found.epoch_learned[1]) == (1, np.inf)


def test_learned_forgotten_and_learned_again_by_hand():
    run = np.array([0.2, 0.7, 0.5, 0.8, 0.9], dtype=np.float16)
    found = learning_history(run[None, :, None])
    assert (found.epoch_learned[0], found.num_forgotten[0], found.num_epochs) == (4, 1, 5)


def test_an_image_that_most_runs_never_keep_is_not_learned():
    dynamics = np.full((3, 4, 1), 0.1, dtype=np.float16)
    dynamics[0] = 0.9
    assert learning_history(dynamics).epoch_learned[0] == np.inf
    dynamics[1, 2:] = 0.9
    assert learning_history(dynamics).epoch_learned[0] == 3


def test_summary_sets_some_images_beside_all():
    rng = np.random.default_rng(0)
    history = learning_history(rng.beta(3, 2, (3, 20, 50)).astype(np.float16))
    some = np.array([4, 7, 30])
    summary = summarize_history(history, some)
    assert (summary["num_images"], summary["num_all"]) == (3, 50)
    assert summary["epoch_learned"] == np.median(history.epoch_learned[some])
    assert summary["epoch_learned_all"] == np.median(history.epoch_learned)
    assert summary["num_forgotten"] == pytest.approx(history.num_forgotten[some].mean())
    assert summary["num_forgotten_all"] == pytest.approx(history.num_forgotten.mean())
