"""TGA files written byte by byte."""

import numpy as np
import pytest
from tests.data.decoding.by_hand import COLORS, GRAY, on_white, quantized, tga, with_alpha

RNG = np.random.default_rng(8)
FIVE_BITS = quantized(COLORS, 31)
PACKED = FIVE_BITS[..., 0] << 10 | FIVE_BITS[..., 1] << 5 | FIVE_BITS[..., 2]
ORIENTATIONS = [0x00, 0x10, 0x20, 0x30]  # bits: columns from the right, rows from above


def body(values, orientation=0, dtype=np.uint8):
    values = values if orientation & 0x20 else values[::-1]
    return np.ascontiguousarray(values[:, ::-1] if orientation & 0x10 else values).astype(dtype).tobytes()


def bgr(colors):
    return quantized(np.concatenate([colors[..., 2::-1], colors[..., 3:]], axis=2), 255)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_each_orientation(orientation, shows):
    shows(tga(2, 24, body(bgr(COLORS), orientation), orientation), COLORS)
    shows(tga(3, 8, body(quantized(GRAY, 255), orientation), orientation), GRAY)
    shows(tga(2, 32, body(bgr(with_alpha(COLORS)), orientation), orientation | 8), on_white(COLORS), atol=2)


@pytest.mark.parametrize("attribute_bits", [0, 8])
def test_alpha_of_0_everywhere_is_ignored(attribute_bits, shows):
    content = tga(2, 32, body(bgr(with_alpha(COLORS, 0 * GRAY))), attribute_bits)
    shows(content, COLORS)


@pytest.mark.parametrize("bit", [0, 0x8000])
@pytest.mark.parametrize("attribute_bits", [0, 1])
def test_a_bit_that_is_the_same_in_all_16_bit_colors_is_no_alpha(bit, attribute_bits, shows):
    shows(tga(2, 16, body(PACKED | bit, dtype="<u2"), attribute_bits), FIVE_BITS / 31)


def test_a_bit_that_is_stated_to_be_no_attribute_is_ignored(shows):
    some = RNG.integers(0, 2, GRAY.shape) << 15
    shows(tga(2, 16, body(PACKED | some, dtype="<u2"), 0), FIVE_BITS / 31)
    indices, colors = RNG.integers(0, 256, GRAY.shape), RNG.integers(0, 1 << 16, 256)
    palette = np.stack([colors >> 10 & 31, colors >> 5 & 31, colors & 31], axis=1) / 31
    shows(tga(1, 8, body(indices), 0, colors.astype("<u2").tobytes(), 16), palette[indices])


def test_gray_with_alpha(shows):
    shows(tga(3, 16, body(quantized(with_alpha(GRAY), 255)), 8), on_white(GRAY), atol=2)
