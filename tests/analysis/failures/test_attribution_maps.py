"""Mean attribution maps, and what is said of one that is unlike the others."""

import numpy as np
import pytest

from bakeoff.analysis.failures.attribution_maps import border_support, concentration, mean_maps
from bakeoff.predictions import RunMaps


def run(images, maps, error=0.01):
    return RunMaps(
        np.array(images, np.int32), np.array(maps, np.float32), np.full(len(images), error, np.float32)
    )


def test_only_runs_that_give_the_usual_wrong_answer_are_averaged():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 4, 8, 8))
    predicted = np.array([[1, 1, 0, 2], [1, 2, 1, 2], [2, 1, 0, 2]])
    usual_wrong = np.array([1, 1, 1, 2])
    runs = [
        run([0, 1, 3], maps[0, [0, 1, 3]]),
        run([0, 1, 2, 3], maps[1]),
        run([0, 1, 3], maps[2, [0, 1, 3]]),
    ]
    found = mean_maps(runs, predicted, usual_wrong)
    assert found.images.tolist() == [0, 1, 2, 3]
    assert (found.num_predictions, found.num_missing) == (8, 0)
    fewer = mean_maps([run([0], maps[0, [0]]), *runs[1:]], predicted, usual_wrong)
    assert (fewer.num_predictions, fewer.num_missing) == (8, 2)
    assert found.num_runs.tolist() == [2, 2, 1, 3]
    expected = [maps[[0, 1], 0], maps[[0, 2], 1], maps[[1], 2], maps[:, 3]]
    np.testing.assert_allclose(found.maps, [part.mean(axis=0) for part in expected], atol=1e-6)
    assert [found.place(image) for image in (0, 3, 4)] == [0, 3, None]


def test_a_map_that_misses_its_total_is_left_out():
    maps = np.ones((1, 8, 8))
    found = mean_maps([run([0], maps), run([0], 9 * maps, error=0.2)], np.array([[1], [1]]), np.array([1]))
    assert found.num_left_out == 1
    np.testing.assert_array_equal(found.maps, maps)
    assert mean_maps([run([0], maps, error=0.2)], np.array([[1]]), np.array([1])) is None


def test_areas_of_maps_known_by_hand():
    even, corner, against = np.ones((16, 16)), np.zeros((16, 16)), -np.ones((16, 16))
    corner[0, 0] = 3.0
    corner[8, 8] = 1.0
    found = mean_maps([run([0, 1, 2], [even, corner, against])], np.ones((1, 3), int), np.ones(3, int))
    np.testing.assert_allclose(found.half_area, [0.5, 1 / 256, np.nan])
    np.testing.assert_allclose(found.border_share, [112 / 256, 0.75, np.nan])
    assert found.border_area == 112 / 256


def test_where_no_map_supports_its_answer_there_is_no_usual_area():
    nothing = mean_maps([run([0, 1], -np.ones((2, 8, 8)))], np.array([[1, 1]]), np.array([1, 1]))
    assert np.isnan(nothing.half_area).all()
    assert np.isnan([nothing.median_half_area, nothing.median_border_share]).all()  # without a warning


def test_the_smallest_area_of_half_is_found_by_trying_all_sizes():
    maps = np.random.default_rng(1).normal(size=(30, 6, 6))
    found = mean_maps([run(range(30), maps)], np.ones((1, 30), int), np.ones(30, int))
    for cells, half in zip(np.float32(maps), found.half_area, strict=True):
        speaking_for = sorted((value for value in cells.ravel().tolist() if value > 0), reverse=True)
        sizes = [size for size in range(1, 37) if sum(speaking_for[:size]) >= sum(speaking_for) / 2]
        assert half == pytest.approx(sizes[0] / 36)


@pytest.fixture
def hundred():
    """Images 0 to 99 with one run, the first two planted; 100 to 119 with two runs, all concentrated."""
    rng = np.random.default_rng(2)
    maps = np.abs(rng.normal(size=(120, 16, 16)))
    maps[0] = 0.001
    maps[0, 7, 7] = 1.0
    maps[1, 2:-2, 2:-2] = 0.0
    maps[100:, 5, 5] = 1e3
    predicted = np.ones((2, 120), int)
    predicted[1, :100] = 0
    return mean_maps([run(range(120), maps), run(range(100, 120), maps[100:])], predicted, np.ones(120, int))


def test_what_is_gathered_or_at_the_border_is_told_with_its_rank(hundred):
    rank = concentration(hundred, 0)
    assert rank.value == 1 / 256
    assert rank.num_reference == 100
    assert rank.share_beyond == 0.99
    assert rank.median == pytest.approx(np.median(hundred.half_area[:100]))
    assert border_support(hundred, 0) is None
    rank = border_support(hundred, 1)
    assert rank.value == 1.0
    assert rank.share_beyond == 0.99
    assert rank.median == pytest.approx(112 / 256, abs=0.05)


def test_a_map_is_held_against_means_of_as_many_runs_only(hundred):
    assert hundred.half_area[110] == 1 / 256
    assert all(concentration(hundred, place) is None for place in range(100, 120))


def test_less_than_the_area_at_the_border_is_never_told():
    centerd = np.zeros((60, 16, 16))
    centerd[:, 4:12, 4:12] = 1.0
    centerd[0, 0, 0] = 6.4  # 9 % of it, in 44 % of the image, and more than in any other
    found = mean_maps([run(range(60), centerd)], np.ones((1, 60), int), np.ones(60, int))
    assert border_support(found, 0) is None


def test_of_few_maps_none_is_called_unusual():
    maps = np.ones((19, 8, 8))
    maps[0] = 0.0
    maps[0, 0, 0] = 1.0
    found = mean_maps([run(range(19), maps)], np.ones((1, 19), int), np.ones(19, int))
    assert concentration(found, 0) is None
    assert border_support(found, 0) is None
