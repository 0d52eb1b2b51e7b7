"""JPEG 2000 of every depth, written by OpenJPEG through imagecodecs."""

import io

import imagecodecs
import numpy as np
import pytest
from tests.data.decoding.by_hand import COLORS, GRAY, on_white, quantized, with_alpha

from bakeoff.data.decoding.image_file import open_rgb
from bakeoff.errors import BakeoffError


def written(shares, bits, container):
    values = quantized(shares, (1 << bits) - 1).astype("u1" if bits <= 8 else "u2")
    return imagecodecs.jpeg2k_encode(
        values, bitspersample=bits, codecformat=container, reversible=True, mct=False
    )


@pytest.mark.parametrize("container", ["j2k", "jp2"])
@pytest.mark.parametrize("bits", [1, 2, 4, 7, 8])
def test_up_to_8_bits(bits, container, shows):
    def rounded(shares):
        return quantized(shares, (1 << bits) - 1) / ((1 << bits) - 1)

    shows(written(GRAY, bits, container), rounded(GRAY))
    shows(written(COLORS, bits, container), rounded(COLORS))
    mixed = rounded(with_alpha(COLORS))
    shows(written(with_alpha(COLORS), bits, container), on_white(mixed[..., :3], mixed[..., 3]), atol=2)
    shows(written(with_alpha(COLORS, 0 * GRAY), bits, container), rounded(COLORS))


@pytest.mark.parametrize("container", ["j2k", "jp2"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_gray_of_more_bits_is_of_the_stated_depth(bits, container, shows):
    shows(written(GRAY, bits, container), GRAY)
    shows(written(GRAY / 100, bits, container), GRAY / 100)


@pytest.mark.parametrize("container", ["j2k", "jp2"])
@pytest.mark.parametrize("bits", [9, 12, 16])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colors_of_more_bits_are_refused(channels, bits, container):
    """Pillow turns their white into black."""
    shares = {2: with_alpha(GRAY), 3: COLORS, 4: with_alpha(COLORS)}[channels]
    with pytest.raises(BakeoffError, match=f"{bits}, {bits}.* bits per channel; expected 8"):
        open_rgb(io.BytesIO(written(shares, bits, container)))


def test_a_sign_is_an_offset(shows):
    values = (quantized(GRAY, 255) - 128).astype(np.int8)
    shows(imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True), GRAY)
