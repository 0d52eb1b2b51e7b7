"""PNM files written byte by byte, for every kind of largest value."""

import io

import numpy as np
import pytest
from tests.data.decoding.by_hand import COLORS, GRAY, HEIGHT, WIDTH, quantized

from bakeoff.data import Decoding
from bakeoff.data.decoding.image_file import open_rgb, read_picture
from bakeoff.errors import BakeoffError

SIZE = b"%d %d\n" % (WIDTH, HEIGHT)
ALL_16_BITS = 65535


def pnm(colors, largest, maxval, *, plain=False):
    values = quantized(colors, largest)
    magic = {(2, False): b"P5", (3, False): b"P6", (2, True): b"P2", (3, True): b"P3"}[values.ndim, plain]
    if plain:
        body = b"# a comment\n" + b"\n".join(b"%d" % value for value in values.ravel())
    else:
        body = values.astype(">u2" if maxval > 255 else np.uint8).tobytes()
    return magic + b"\n# a comment\n" + SIZE + b"%d\n" % maxval + body


@pytest.mark.parametrize("maxval", [1, 3, 100, 255, 256, 1023, 4095, ALL_16_BITS])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("colors", [GRAY, COLORS], ids=["gray", "colors"])
def test_the_stated_largest_value_is_white(colors, plain, maxval, shows):
    shows(pnm(colors, maxval, maxval, plain=plain), quantized(colors, maxval) / maxval)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("colors", [GRAY, COLORS], ids=["gray", "colors"])
def test_65535_states_only_that_there_are_16_bits(colors, plain, shows):
    content = pnm(colors, 1023, ALL_16_BITS, plain=plain)
    with pytest.raises(BakeoffError, match=r"up to 1,023: one image does not tell"):
        open_rgb(io.BytesIO(content))
    shows(content, colors, Decoding(white=(("uint16", 1023),)))


def test_a_dark_image_of_stated_depth_stays_dark(shows):
    shows(pnm(GRAY, 15, 1023), quantized(GRAY, 15) / 1023)


def test_bitmaps(shows):
    black = (GRAY < 0.5).astype(np.uint8)
    shows(b"P4\n" + SIZE + np.packbits(black, axis=1).tobytes(), 1 - black)
    shows(b"P1\n" + SIZE + b" ".join(b"%d" % bit for bit in black.ravel()), 1 - black)


def test_floating_point_values_wait_for_their_white(shows):
    content = b"Pf\n" + SIZE + b"-1.0\n" + GRAY[::-1].astype("<f4").tobytes()
    assert read_picture(io.BytesIO(content)).pixels.storage == "float32"
    shows(content, GRAY, Decoding(white=(("float32", 1),)))


@pytest.mark.parametrize("plain", [False, True])
def test_a_truncated_file_is_refused(plain):
    content = pnm(COLORS, ALL_16_BITS, ALL_16_BITS, plain=plain)
    with pytest.raises(BakeoffError, match="truncated"):
        open_rgb(io.BytesIO(content[:-7]))


@pytest.mark.parametrize("value", [b"-1", b"65536", b"x"])
def test_values_outside_the_range_are_refused(value):
    content = pnm(GRAY, ALL_16_BITS, ALL_16_BITS, plain=True)
    with pytest.raises(BakeoffError):
        open_rgb(io.BytesIO(content.rpartition(b"\n")[0] + b"\n" + value))
