"""TIFF files of every sample type, by tifffile and by hand."""

import io

import numpy as np
import pytest
import tifffile
from tests.data.decoding.by_hand import ALPHA, COLORS, GRAY, on_white, quantized, tiff, with_alpha

from bakeoff.data import Decoding
from bakeoff.data.decoding.depth import STORAGES
from bakeoff.data.decoding.image_file import open_rgb, read_picture
from bakeoff.errors import BakeoffError

RNG = np.random.default_rng(9)
COMPRESSIONS = [None, "zlib", "packbits"]


def written(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, metadata=None, **options)
    return file.getvalue()


def samples(shares, dtype, largest=None):
    """The samples of a file from numbers of 0..1."""
    if np.dtype(dtype).kind == "f":
        return (shares * (largest or 1)).astype(dtype)
    return quantized(shares, largest or np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_full_range_samples(dtype, order, compression, tile, shows):
    options = {"byteorder": order, "compression": compression, "tile": tile}
    shows(written(samples(GRAY, dtype), photometric="minisblack", **options), GRAY)
    shows(written(samples(COLORS, dtype), photometric="rgb", **options), COLORS)
    ink = with_alpha(1 - COLORS, 0.5 * GRAY)
    paper = (1 - ink[..., :3]) * (1 - ink[..., 3:])
    shows(written(samples(ink, dtype), photometric="separated", **options), paper, atol=3)
    for kind, mixed in (
        ("unassalpha", with_alpha(COLORS)),
        ("assocalpha", with_alpha(COLORS * ALPHA[..., None])),
    ):
        content = written(samples(mixed, dtype), photometric="rgb", extrasamples=[kind], **options)
        shows(content, on_white(COLORS), atol=3)
    content = written(
        samples(with_alpha(COLORS), dtype), photometric="rgb", extrasamples=["unspecified"], **options
    )
    shows(content, COLORS)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_each_channel_in_its_own_plane(dtype, order, compression, shows):
    options = {
        "byteorder": order,
        "compression": compression,
        "photometric": "rgb",
        "planarconfig": "separate",
    }
    shows(written(samples(COLORS.transpose(2, 0, 1), dtype), **options), COLORS)
    planes = samples(with_alpha(COLORS).transpose(2, 0, 1), dtype)
    shows(written(planes, extrasamples=["unassalpha"], **options), on_white(COLORS), atol=2)


def test_ink_in_planes_of_16_bits_is_refused():
    ink = samples(with_alpha(COLORS).transpose(2, 0, 1), "u2")
    content = written(ink, photometric="separated", planarconfig="separate")
    with pytest.raises(BakeoffError, match="each channel in its own plane; save it as RGB"):
        open_rgb(io.BytesIO(content))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_white_may_be_zero(dtype, compression, shows):
    known = Decoding(white=(("float32", 1),))
    values = samples(1 - GRAY, dtype)
    shows(written(values, photometric="miniswhite", compression=compression), GRAY, known)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(
    ("dtype", "storage", "white"),
    [
        ("u2", "uint16", 1023),
        ("i2", "int16", 4095),
        ("i4", "int32", 255),
        ("u4", "uint32", 255),
        ("f4", "float32", 255),
    ],
)
def test_values_below_the_full_range_wait_for_their_white(dtype, storage, white, order, compression, shows):
    if (dtype, order) == ("u4", ">"):
        return  # Pillow does not know it, and says so: see below
    content = written(
        samples(GRAY, dtype, white), photometric="minisblack", byteorder=order, compression=compression
    )
    assert storage in STORAGES
    assert read_picture(io.BytesIO(content)).pixels.peak == white
    shows(content, quantized(GRAY, white) / white, Decoding(white=((storage, white),)))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_10_bit_colors_in_16_bits(order, compression, shows):
    content = written(
        samples(COLORS, "u2", 1023), photometric="rgb", byteorder=order, compression=compression
    )
    with pytest.raises(BakeoffError, match="one image does not tell"):
        open_rgb(io.BytesIO(content))
    shows(content, COLORS, Decoding(white=(("uint16", 1023),)))
    mixed = samples(with_alpha(COLORS), "u2", 1023)
    content = written(
        mixed, photometric="rgb", extrasamples=["unassalpha"], byteorder=order, compression=compression
    )
    shows(content, on_white(COLORS), Decoding(white=(("uint16", 1023),)), atol=2)


def test_12_bits_are_12_bits(shows):
    values = quantized(GRAY, 4095).astype("u2")
    shows(written(values, photometric="minisblack", bitspersample=12), GRAY)
    dark = quantized(GRAY, 200).astype("u2")
    shows(written(dark, photometric="minisblack", bitspersample=12), dark / 4095)


@pytest.mark.parametrize("bits", [2, 4])
def test_gray_of_few_bits(bits, shows):
    largest = (1 << bits) - 1
    values = quantized(GRAY, largest).astype("u1")
    shows(written(values, photometric="minisblack", bitspersample=bits), values / largest)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_one_bit(photometric, shows):
    white = GRAY > 0.5
    shows(written(white if photometric == "minisblack" else ~white, photometric=photometric), white)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_gray_with_a_second_sample(kind, shows):
    gray = GRAY * ALPHA if kind == "assocalpha" else GRAY
    content = written(
        samples(with_alpha(gray), "u1"), photometric="minisblack", planarconfig="contig", extrasamples=[kind]
    )
    shows(content, GRAY if kind == "unspecified" else on_white(GRAY), atol=3)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("largest", [255, 65535])
def test_palettes_of_8_and_of_16_bits(largest, compression, shows):
    palette = RNG.integers(0, largest + 1, (3, 256)).astype("u2")
    palette[:, 0] = largest
    indices = RNG.integers(0, 256, GRAY.shape).astype("u1")
    content = written(indices, photometric="palette", colormap=palette, compression=compression)
    shows(content, palette.T[indices] / largest)


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (samples(GRAY, "i1"), {}, "pixels with a sign, of 8 bits"),
        (samples(GRAY, "i2") - 9, {}, r"signed 16-bit integers from -9 to 32,758"),
        (samples(GRAY, "i4", 70_000), {}, r"signed 32-bit integers from 0 to 70,000 have no defined range"),
        (samples(GRAY, "u4"), {}, r"32-bit integers from 0 to 4,294,967,295 have no defined range"),
        (np.where(GRAY > 0.5, np.nan, GRAY).astype("f4"), {}, r"floating-point numbers from nan"),
        (samples(GRAY, "f4", 300), {}, "floating-point numbers from 0"),
        (samples(GRAY, "f8"), {}, "a TIFF that is damaged, or whose channels are of a kind"),
        (
            samples(GRAY, "u4", 9),
            {"byteorder": ">"},
            "a TIFF that is damaged, or whose channels are of a kind",
        ),
        (samples(COLORS, "f4"), {"photometric": "rgb"}, "a TIFF that is damaged, or whose channels"),
        (samples(COLORS, "u1"), {"photometric": "cielab"}, "LAB"),
        (
            samples(COLORS.transpose(2, 0, 1), "u2", 900),
            {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"},
            "in planes or multiplied by alpha",
        ),
    ],
)
def test_what_is_not_read_is_named(values, options, words):
    content = written(values, **{"photometric": "minisblack", **options})
    with pytest.raises(BakeoffError, match=words):
        open_rgb(io.BytesIO(content))


def test_colors_at_half_the_resolution_without_compression_are_refused():
    """Pillow reads past the end of each strip."""
    tags = {256: [16], 257: [8], 258: [8, 8, 8], 259: [1], 262: [6], 277: [3], 530: [2, 2]}
    content = tiff(tags, bytes([100, 100, 100, 100, 128, 200]) * 32) + bytes(1000)
    with pytest.raises(BakeoffError, match="half the resolution"):
        open_rgb(io.BytesIO(content))


def test_colors_at_full_resolution_without_compression(shows):
    tags = {256: [11], 257: [9], 258: [8, 8, 8], 259: [1], 262: [6], 277: [3], 530: [1, 1]}
    gray = np.stack([quantized(GRAY, 255), *[np.full(GRAY.shape, 128)] * 2], axis=2).astype(np.uint8)
    shows(tiff(tags, gray.tobytes()), GRAY)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_orientation_of_deep_pixels(orientation, shows):
    tags = {256: [11], 257: [9], 258: [16], 259: [1], 262: [1], 274: [orientation], 277: [1]}
    stored = {1: GRAY, 3: GRAY[::-1, ::-1], 6: np.rot90(GRAY, 1)}[orientation]
    tags |= {256: [stored.shape[1]], 257: [stored.shape[0]]}
    shows(tiff(tags, quantized(stored, 65535).astype("<u2").tobytes()), GRAY)


def test_the_first_page_is_used_and_the_others_are_counted():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for _ in range(2):
            writer.write(samples(GRAY, "u1"), photometric="minisblack", metadata=None)
    assert read_picture(file).remarks == {"frames"}
