"""PNG files written byte by byte, of every kind and depth."""

import io
import struct
import zlib

import numpy as np
import pytest
from tests.data.decoding.by_hand import ALPHA, COLORS, GRAY, chunk, on_white, png, quantized, with_alpha

from bakeoff.data import Decoding
from bakeoff.data.decoding.depth import DeepPixels
from bakeoff.data.decoding.image_file import open_rgb, read_picture
from bakeoff.data.decoding.png import significant_bits
from bakeoff.errors import BakeoffError

RNG = np.random.default_rng(5)
TEXT = zlib.compress(b"x" * 3_000_000)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_gray_of_every_depth(depth, interlaced, shows):
    largest = (1 << depth) - 1
    values = quantized(GRAY, largest)
    shows(png(values, depth, 0, interlaced=interlaced), values / largest)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_gray_value_is_white(depth, shows):
    largest = (1 << depth) - 1
    values = quantized(GRAY, largest)
    key = int(values[0, 3])
    transparent = chunk(b"tRNS", struct.pack(">H", key))
    shows(png(values, depth, 0, transparent), np.where(values == key, 1, values / largest))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
def test_colors_and_alpha(depth, interlaced, shows):
    largest = (1 << depth) - 1
    shows(png(quantized(COLORS, largest), depth, 2, interlaced=interlaced), COLORS)
    rgba = quantized(with_alpha(COLORS), largest)
    shows(png(rgba, depth, 6, interlaced=interlaced), on_white(COLORS), atol=2)
    gray = quantized(with_alpha(GRAY), largest)
    shows(png(gray, depth, 4, interlaced=interlaced), on_white(GRAY), atol=2)


@pytest.mark.parametrize("depth", [8, 16])
def test_only_the_transparent_color_itself_is_white(depth, shows):
    largest = (1 << depth) - 1
    values = quantized(COLORS, largest)
    key = values[4, 5].copy()
    values[2, 2] = key ^ (0, 0, 1)  # of 16 bits, it differs in a bit that 8 bits do not have
    transparent = chunk(b"tRNS", struct.pack(">3H", *key))
    expected = values / largest
    expected[4, 5] = 1
    shows(png(values, depth, 2, transparent), expected)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palettes_with_their_alpha(depth, shows):
    size = 1 << depth
    indices = RNG.integers(0, size, GRAY.shape)
    palette = RNG.integers(0, 256, (size, 3))
    alpha = RNG.integers(1, 256, size)
    colors = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    shows(png(indices, depth, 3, colors), palette[indices] / 255)
    transparent = chunk(b"tRNS", alpha.astype(np.uint8).tobytes())
    shows(
        png(indices, depth, 3, colors, transparent),
        on_white(palette[indices] / 255, alpha[indices] / 255),
        atol=2,
    )


@pytest.mark.parametrize(
    ("colors", "color_type", "depth"),
    [(COLORS, 2, 16), (GRAY, 0, 16), (with_alpha(COLORS), 6, 16), (with_alpha(GRAY), 4, 16)],
)
def test_10_bits_in_16_are_shown_once_it_is_known_that_1023_is_white(colors, color_type, depth, shows):
    known = Decoding(white=(("uint16", 1023),))
    expected = on_white(colors[..., :-1]) if color_type in (4, 6) else colors
    shows(png(quantized(colors, 1023), depth, color_type), expected, known, atol=2)


@pytest.mark.parametrize(("colors", "color_type"), [(GRAY, 0), (COLORS, 2), (with_alpha(COLORS), 6)])
def test_a_dark_16_bit_image_alone_is_refused(colors, color_type):
    with pytest.raises(BakeoffError, match=r"16-bit integers up to 1,023: one image does not tell which"):
        open_rgb(io.BytesIO(png(quantized(colors, 1023), 16, color_type)))


def test_a_16_bit_image_of_large_values_needs_no_other():
    picture = read_picture(io.BytesIO(png(quantized(COLORS, 20_000), 16, 2)))
    assert isinstance(picture.pixels, DeepPixels)
    assert picture.pixels.values is None  # the low bytes are not even read
    assert np.asarray(picture.to_rgb(Decoding())).max() == 20_000 >> 8


@pytest.mark.parametrize(
    ("color_type", "sbit", "expected"),
    [(0, b"\x0a", "uint16/10"), (2, b"\x0a\x0c\x0a", "uint16/12"), (4, b"\x0a\x10", "uint16/10")],
)
def test_significant_bits_are_those_of_the_colors(color_type, sbit, expected):
    values = quantized({0: GRAY, 2: COLORS, 4: with_alpha(GRAY)}[color_type], 900)
    pixels = read_picture(io.BytesIO(png(values, 16, color_type, chunk(b"sBIT", sbit)))).pixels
    assert pixels.storage == expected


def test_16_significant_bits_state_nothing():
    assert significant_bits(png(quantized(GRAY, 9), 16, 0, chunk(b"sBIT", b"\x10"))) is None


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"note\0\0" + TEXT),
        chunk(b"iTXt", b"note\0\1\0\0\0" + TEXT),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(RNG.bytes(3_000_000))),
        chunk(b"tEXt", b"note\0" + b"x" * 70_000_000),
        chunk(b"iCCP", b""),
        chunk(b"gAMA", b"1"),
        chunk(b"zTXt", b"note\0\x07?"),
        chunk(b"tEXt", b"note\0text")[:-1] + b"?",  # a wrong checksum
    ],
    ids=["text", "international", "profile", "plain", "no-profile", "gamma", "method", "checksum"],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_long_or_damaged_metadata_is_passed_over(extra, place, shows):
    values = quantized(COLORS, 255)
    content = png(values, 8, 2, extra) if place == "before" else png(values, 8, 2, after=[extra])
    shows(content, COLORS)


def test_the_orientation_beside_a_long_text_is_kept(shows):
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0"  # orientation 3: upside down
    values = quantized(COLORS, 255)
    long_text = chunk(b"zTXt", b"note\0\0" + TEXT)
    shows(png(values, 8, 2, chunk(b"eXIf", exif), long_text), COLORS[::-1, ::-1])


def test_damaged_exif_leaves_the_image_as_stored(shows):
    shows(png(quantized(COLORS, 255), 8, 2, chunk(b"eXIf", b"garbage!")), COLORS)


def test_transparency_in_16_bits_survives_a_long_text(shows):
    values = quantized(GRAY, 65535)
    transparent = chunk(b"tRNS", struct.pack(">H", int(values[0, 4])))
    content = png(values, 16, 0, transparent, chunk(b"zTXt", b"note\0\0" + TEXT))
    shows(content, np.where(values == values[0, 4], 1, GRAY))


def test_damaged_pixels_are_not_passed_over():
    content = bytearray(png(quantized(COLORS, 255), 8, 2))
    content[content.index(b"IDAT") + 8] ^= 255
    with pytest.raises(BakeoffError):
        open_rgb(io.BytesIO(bytes(content)))


def test_alpha_of_0_everywhere_is_ignored_in_every_kind(shows):
    shows(png(quantized(with_alpha(COLORS, 0 * ALPHA), 255), 8, 6), COLORS)
    shows(png(quantized(with_alpha(GRAY, 0 * ALPHA), 65535), 16, 4), GRAY)
    indices, palette = quantized(GRAY, 3), np.array([[9, 9, 9], [200, 0, 0], [0, 200, 0], [0, 0, 200]])
    colors = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    shows(png(indices, 2, 3, colors, chunk(b"tRNS", bytes(4))), palette[indices] / 255)
