"""BMP files written byte by byte."""

import io

import numpy as np
import pytest
from PIL import Image
from tests.data.decoding.by_hand import ALPHA, COLORS, GRAY, bmp, on_white, quantized

from bakeoff.data.decoding.bmp import read_bmp
from bakeoff.data.decoding.image_file import open_rgb
from bakeoff.errors import BakeoffError

RNG = np.random.default_rng(6)
RGBA8 = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
ORDERS = [RGBA8, (0xFF, 0xFF00, 0xFF0000, 0xFF000000), (0xFF000000, 0xFF0000, 0xFF00, 0xFF)]


def in_masks(channels, masks):
    """The value of each pixel: each channel, 0..1, in the bits of its mask; and the channels as rounded."""
    values, rounded = np.zeros(channels.shape[:2], np.uint32), []
    for index, mask in enumerate(masks):
        shift = (mask & -mask).bit_length() - 1
        channel = quantized(channels[..., index], mask >> shift)
        values |= channel.astype(np.uint32) << np.uint32(shift)
        rounded.append(channel / (mask >> shift))
    return values, np.stack(rounded, axis=2)


@pytest.mark.parametrize("header", [12, 40, 124])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["colors", "gray ramp", "first grays", "negative"])
def test_palettes(bits, header, kind, shows):
    size = 1 << bits
    ramp = np.round(np.arange(size) * 255 / (size - 1)).astype(int)
    grays = {"gray ramp": ramp, "first grays": np.arange(size), "negative": 255 - ramp}
    palette = RNG.integers(0, 256, (size, 3)) if kind == "colors" else np.stack([grays[kind]] * 3, axis=1)
    indices = RNG.integers(0, size, GRAY.shape)
    shows(bmp(indices, bits, header=header, palette=palette), palette[indices] / 255)


@pytest.mark.parametrize("bits", [4, 8])
def test_two_colors_in_more_than_one_bit(bits, shows):
    """Pillow takes the file for one of 1 bit per pixel."""
    indices = RNG.integers(0, 2, GRAY.shape)
    shows(bmp(indices, bits, palette=[(0, 0, 0), (255, 255, 255)]), indices)


@pytest.mark.parametrize("top_down", [False, True])
def test_24_bits(top_down, shows):
    values, rounded = in_masks(COLORS, RGBA8[:3])
    shows(bmp(values, 24, top_down=top_down), rounded)


def test_the_fourth_byte_is_no_alpha_unless_stated(shows):
    values, _ = in_masks(np.concatenate([COLORS, ALPHA[..., None]], axis=2), RGBA8)
    shows(bmp(values, 32), COLORS)
    shows(bmp(values, 32, 3, 40, RGBA8[:3]), COLORS)


@pytest.mark.parametrize("masks", ORDERS)
@pytest.mark.parametrize(("compression", "header"), [(3, 56), (3, 108), (3, 124), (6, 40)])
def test_stated_alpha_is_mixed_with_white(masks, compression, header, shows):
    values, _ = in_masks(np.concatenate([COLORS, ALPHA[..., None]], axis=2), masks)
    shows(bmp(values, 32, compression, header, masks), on_white(COLORS), atol=2)


@pytest.mark.parametrize("masks", [*ORDERS, (0, 0, 0, 0)])
def test_stated_alpha_that_is_0_everywhere_is_ignored(masks, shows):
    values, _ = in_masks(COLORS, masks[:3] if any(masks) else RGBA8[:3])
    shows(bmp(values, 32, 3, 124, masks), COLORS)


@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (16, (0x7C00, 0x3E0, 0x1F, 0)),
        (16, (0xF800, 0x7E0, 0x1F, 0)),
        (16, (0xF00, 0xF0, 0xF, 0)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF, 0)),
        (32, (0xFF00, 0xFF0000, 0xFF000000, 0)),
    ],
)
def test_bit_fields(bits, masks, shows):
    values, rounded = in_masks(COLORS, masks[:3])
    shows(bmp(values, bits, 3, 124, masks), rounded)


def test_16_bits_without_masks_are_5_per_channel(shows):
    values, rounded = in_masks(COLORS, (0x7C00, 0x3E0, 0x1F))
    shows(bmp(values | 0x8000, 16), rounded)


def test_one_bit_of_alpha(shows):
    opaque = RNG.integers(0, 2, GRAY.shape)
    masks = (0x7C00, 0x3E0, 0x1F, 0x8000)
    values, rounded = in_masks(np.concatenate([COLORS, opaque[..., None]], axis=2), masks)
    shows(bmp(values, 16, 3, 124, masks), on_white(rounded[..., :3], opaque))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_what_pillow_writes_has_the_pixels_that_pillow_reads(mode):
    image = Image.fromarray(RNG.integers(0, 256, (7, 9, 3), np.uint8))
    file = io.BytesIO()
    (image.quantize(8) if mode == "P" else image.convert(mode)).save(file, "BMP")
    file.seek(0)
    with Image.open(file) as opened:
        expected = np.asarray(opened.convert("RGB"))
    np.testing.assert_array_equal(np.asarray(open_rgb(file)), expected)


def test_compressed_files_are_left_to_pillow(shows):
    body = bytes([11, 0, 0, 0] * 8 + [11, 1, 0, 0] + [0, 1])  # RLE8: eight rows of color 0, one of color 1
    content = bytearray(bmp(np.zeros((9, 11), int), 8, palette=[(255, 0, 0), (0, 0, 255)]))
    start = int.from_bytes(content[10:14], "little")
    content[30] = 1
    del content[start:]
    assert read_bmp(bytes(content) + body) is None
    expected = np.zeros((9, 11, 3))
    expected[0, :, 2] = expected[1:, :, 0] = 1  # from the bottom
    shows(bytes(content) + body, expected)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bmp(np.zeros((9, 11), int), 16, 3, 124, (0x7C00, 0x3E0, 0x1F, 0))[:-1], "truncated"),
        (bmp(np.zeros((9, 11), int), 8, palette=[(0, 0, 0)] * 256)[:500], "truncated"),
        (bmp(np.zeros((9, 11), int), 16, 3, 124, (0x7C00, 0x3A0, 0x1F, 0)), "masks 0x7c00, 0x3a0"),
        (bmp(np.zeros((9, 11), int), 32, 3, 124, (0xFF, 0, 0xFF0000, 0)), "make no sense"),
        (bmp(np.zeros((9, 0), int), 8, palette=[(0, 0, 0)]), "0 x 9 pixels"),
    ],
)
def test_what_makes_no_sense_is_refused(content, words):
    with pytest.raises(BakeoffError, match=words):
        open_rgb(io.BytesIO(content))


def test_a_bomb_is_refused():
    content = bytearray(bmp(np.zeros((9, 11), int), 8, palette=[(0, 0, 0)]))
    content[18:26] = (30_000).to_bytes(4, "little") * 2
    with pytest.raises(BakeoffError, match="bomb"):
        read_bmp(bytes(content))


@pytest.mark.parametrize("start", [0, 14 + 40])
def test_pixels_that_are_said_to_begin_in_the_palette_begin_after_it(start, shows):
    indices, palette = RNG.integers(0, 16, GRAY.shape), RNG.integers(0, 256, (16, 3))
    content = bytearray(bmp(indices, 4, palette=palette))
    content[10:14] = start.to_bytes(4, "little")
    shows(bytes(content), palette[indices] / 255)
