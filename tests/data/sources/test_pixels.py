import numpy as np
import pytest

from bakeoff.data.sources.pixels import Scale, channels_last, find_scale, to_uint8
from bakeoff.errors import BakeoffError

BYTES = np.arange(256, dtype=np.uint8)


def test_bytes_are_taken_as_they_are():
    scale = find_scale([BYTES, BYTES[:9]])
    assert scale == Scale(None)
    assert to_uint8(BYTES, scale) is BYTES


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_shares_of_255_come_back_exactly_and_are_reported(dtype):
    shares = (BYTES / 255).astype(dtype)
    scale = find_scale([shares, shares[:3]])
    assert scale.notes == ("The images are floats in 0..1, which were multiplied by 255.",)
    np.testing.assert_array_equal(to_uint8(shares, scale), BYTES)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int64, np.float32])
def test_whole_numbers_up_to_255_are_bytes(dtype):
    values = BYTES.astype(dtype)
    scale = find_scale([values])
    assert scale.notes == ()
    np.testing.assert_array_equal(to_uint8(values, scale), BYTES)


def test_one_dark_split_does_not_change_the_scale():
    bright, dark = BYTES.astype(np.float32), np.zeros(5, np.float32)
    assert find_scale([dark, bright]).factor == find_scale([bright]).factor == 1


def test_true_is_white():
    mask = np.array([True, False])
    scale = find_scale([mask])
    assert to_uint8(mask, scale).tolist() == [255, 0]
    assert "true and false" in scale.notes[0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            [np.array([-1.0, 1.0])],
            "float64 with values from -1 to 1; expected uint8, or floats in 0..1; undo",
        ),
        ([np.array([0.5, 200.0])], "values from 0.5 to 200"),
        ([np.array([0.0, np.nan])], "values from nan to nan"),
        ([np.array([0.0, np.inf])], "values from 0 to inf"),
        ([np.array([0, 256])], "int64 with values from 0 to 256"),
        ([np.array([0, 65535], np.uint16)], "uint16 with values from 0 to 65535"),
        ([np.array([1j])], "the images are complex128; expected uint8"),
        ([np.array(["a"])], "expected uint8, or floats"),
        ([BYTES, BYTES / 255], "the images are float64 and uint8; expected .* in all splits alike"),
        ([np.array([True]), BYTES], "bool and uint8"),
    ],
)
def test_other_values_are_refused_with_their_range(arrays, message):
    with pytest.raises(BakeoffError, match=message):
        find_scale(arrays)


@pytest.mark.parametrize(
    ("shape", "num_leading", "expected"),
    [
        ((5, 7), 0, (5, 7, 3)),
        ((5, 7, 1), 0, (5, 7, 3)),
        ((5, 7, 3), 0, (5, 7, 3)),
        ((3, 5, 7), 0, (5, 7, 3)),
        ((1, 5, 7), 0, (5, 7, 3)),
        ((3, 5, 3), 0, (3, 5, 3)),
        ((9, 5, 7), 1, (9, 5, 7, 3)),
        ((9, 3, 5, 7), 1, (9, 5, 7, 3)),
        ((9, 5, 7, 3), 1, (9, 5, 7, 3)),
        ((5, 7, 4), 0, None),
        ((4, 5, 7), 0, None),
        ((5,), 0, None),
        ((), 0, None),
        ((9, 9, 9, 9), 1, None),
        ((0, 5, 7), 1, None),
        ((9, 0, 7), 1, None),
    ],
)
def test_layouts(shape, num_leading, expected):
    found = channels_last(np.zeros(shape, np.uint8), num_leading)
    assert (None if found is None else found.shape) == expected


def test_channels_that_come_first_are_moved_and_gray_is_repeated():
    image = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(channels_last(image.transpose(2, 0, 1), 0), image)
    gray = channels_last(image[..., :1], 0)
    for channel in range(3):
        np.testing.assert_array_equal(gray[..., channel], image[..., 0])
