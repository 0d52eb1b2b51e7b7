import numpy as np
import pytest

from bakeoff.data.decoding.depth import STORAGES, DeepPixels, deep_gray, described, find_white, known_white
from bakeoff.errors import BakeoffError


@pytest.mark.parametrize(
    ("storage", "peak", "white"),
    [
        ("uint16", 0, 255),
        ("uint16", 255, 255),
        ("uint16", 256, 1023),
        ("uint16", 1023, 1023),
        ("uint16", 1024, 4095),
        ("uint16", 4096, 16383),
        ("uint16", 16384, 65535),
        ("uint16", 65535, 65535),
        ("uint16/12", 100, 4095),
        ("uint16/12", 4095, 4095),
        ("uint16/12", 4096, 16383),
        ("uint16/11", 100, 2047),
        ("uint16/10", 65472, 65535),  # 10 bits moved to the top, as PNG demands
        ("int16", 12_000, 16383),
        ("int16", 20_000, 32767),
        ("int32", 255, 255),
        ("uint32", 40_000, 65535),
        ("float32", 0, 1),
        ("float32", 1, 1),
        ("float32", 128, 255),
        ("float32", 255, 255),
    ],
)
def test_white_is_the_smallest_depth_that_holds_all_values(storage, peak, white):
    assert find_white(storage, peak) == white


def test_floating_point_values_between_the_two_ranges_are_refused():
    for peak in (1.01, 60, 127.9):
        with pytest.raises(BakeoffError, match=f"up to {peak:g} .* expected 0 to 1, or 0 to 255"):
            find_white("float32", peak)


def test_only_a_value_that_needs_16_bits_tells_by_itself():
    assert known_white("uint16", 16384) == 65535
    assert known_white("int16", 16384) == 32767
    assert known_white("int32", 16384) == 65535
    assert known_white("uint16/12", 16384) == 65535
    assert known_white("uint16", 16383) is None
    assert known_white("float32", 255) is None


@pytest.mark.parametrize("white", [255, 1023, 4095, 16383, 65535])
def test_every_value_is_scaled_to_the_nearest_level(white):
    values = np.arange(white + 1, dtype=np.uint16)[None]
    gray = np.asarray(deep_gray(values, "uint16").scaled(white))[0]
    assert np.abs(gray - values[0] * (255 / white)).max() <= 0.5 + 1e-9
    inverted = np.asarray(deep_gray(values, "uint16", inverted=True).scaled(white))[0]
    np.testing.assert_array_equal(inverted, 255 - gray)


def test_full_16_bits_are_scaled_as_ever():
    values = np.arange(65536, dtype=np.uint16)[None]
    np.testing.assert_array_equal(
        np.asarray(deep_gray(values, "uint16").scaled(65535)), (values.astype(int) + 128) // 257
    )


def test_alpha_has_the_depth_of_the_colors_or_all_16_bits():
    color = np.full((1, 3, 1), 1023, np.uint16)
    for opaque in (1023, 65535):
        alpha = np.array([0, opaque // 2, opaque], np.uint16).reshape(1, 3, 1)
        image = DeepPixels("uint16", 1023, np.concatenate([color, alpha], axis=2)).scaled(1023)
        assert image.mode == "LA"
        assert np.asarray(image)[0, :, 1].tolist() == [0, 127, 255]


def test_a_value_above_white_is_refused():
    with pytest.raises(BakeoffError, match=r"16-bit integers up to 2,000, while 1,023 is white"):
        deep_gray(np.full((1, 1), 2000, np.uint16), "uint16").scaled(1023)


def test_each_way_of_storing_is_described():
    assert described("uint16/12") == "16-bit integers with 12 significant bits"
    assert {described(storage) for storage in STORAGES} == set(STORAGES.values())
