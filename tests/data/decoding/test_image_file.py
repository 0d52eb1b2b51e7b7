import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from tests.data.decoding.by_hand import ALPHA, COLORS, GRAY, on_white, quantized, with_alpha

from bakeoff.data import Decoding, decode_image
from bakeoff.data.decoding.image_file import open_rgb, read_picture
from bakeoff.errors import BakeoffError

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (6, 6), np.uint8)
COLOUR = RNG.integers(0, 256, (6, 6, 3), np.uint8)


def stored(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def decoded(image, kind, **options):
    """The pixels after a way through a file, at their own size."""
    return np.asarray(open_rgb(stored(image, kind, **options)))


def three(grey):
    return np.repeat(np.asarray(grey)[..., None], 3, axis=2)


def test_rgb_at_its_own_size_is_unchanged():
    np.testing.assert_array_equal(decode_image(stored(Image.fromarray(COLOUR), "png"), 6), COLOUR)


def test_grey_has_three_equal_channels():
    np.testing.assert_array_equal(decoded(Image.fromarray(GREY), "png"), three(GREY))


def test_one_bit_is_black_and_white():
    bits = GREY > 128
    np.testing.assert_array_equal(decoded(Image.fromarray(bits), "png"), three(bits * np.uint8(255)))


def test_palette_gives_its_colours():
    image = Image.fromarray(COLOUR).quantize(8)
    np.testing.assert_array_equal(decoded(image, "png"), np.asarray(image.convert("RGB")))


def test_palette_with_a_transparent_entry_is_white_there():
    image = Image.fromarray(GREY % 4)
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 90, 90, 90])
    colours = np.array([[200, 0, 0], [0, 200, 0], [255, 255, 255], [90, 90, 90]], np.uint8)
    np.testing.assert_array_equal(decoded(image, "png", transparency=2), colours[GREY % 4])


def test_palette_with_partial_transparency_is_mixed_with_white():
    image = Image.frombytes("P", (6, 6), (GREY % 2).tobytes())
    image.putpalette([200, 0, 0, 0, 200, 0])
    pixels = decoded(image, "png", transparency=bytes([51, 255])).astype(int)
    expected = np.array([[244, 204, 204], [0, 200, 0]])[
        GREY % 2
    ]  # 255 + (200 - 255) / 5, 255 + (0 - 255) / 5
    np.testing.assert_allclose(pixels, expected, atol=1)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_over_white(mode):
    alpha = RNG.integers(0, 256, (6, 6), np.uint8)
    alpha[0, 0], alpha[0, 1] = 0, 255
    opaque = Image.fromarray(COLOUR).convert("RGB" if mode == "RGBA" else "L")
    image = opaque.copy()
    image.putalpha(Image.fromarray(alpha))
    assert image.mode == mode
    base = np.asarray(opaque.convert("RGB")).astype(float)
    share = alpha[..., None] / 255
    pixels = decoded(image, "png")
    np.testing.assert_allclose(pixels, base * share + 255 * (1 - share), atol=1)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1].tolist() == base[0, 1].tolist()


def test_rgb_with_a_transparent_colour_is_white_there():
    pixels = COLOUR.copy()
    pixels[2, 3] = (1, 2, 3)
    result = decoded(Image.fromarray(pixels), "png", transparency=(1, 2, 3))
    assert result[2, 3].tolist() == [255, 255, 255]
    assert (result != pixels).any(axis=2).sum() == 1


def test_cmyk_is_turned_into_rgb():
    image = Image.new("CMYK", (6, 6), (0, 255, 255, 0))
    assert decoded(image, "tiff")[0, 0].tolist() == [255, 0, 0]
    red = decoded(image, "jpeg", quality=100)[3, 3].astype(int)
    np.testing.assert_allclose(red, [255, 0, 0], atol=4)


GREY16 = np.array(
    [[0, 1, 128, 129], [256, 257, 32768, 32896], [65278, 65407, 65534, 65535], [5, 50, 500, 5000]]
)


@pytest.mark.parametrize(
    ("dtype", "kind", "mode"),
    [
        ("<u2", "png", "I;16"),
        ("<u2", "tiff", "I;16"),
        (">u2", "tiff", "I;16B"),
        ("<i4", "tiff", "I"),
        ("<u2", "ppm", "I"),
    ],
)
def test_16_bit_grey_is_scaled_to_8_bits(dtype, kind, mode):
    file = stored(Image.fromarray(GREY16.astype(dtype)), kind)
    with Image.open(file) as image:
        assert image.mode == mode
    file.seek(0)
    expected = np.round(GREY16 * 255 / 65535).astype(np.uint8)
    np.testing.assert_array_equal(decode_image(file, 4), three(expected))


@pytest.mark.parametrize("low_high", [(-1, 5), (0, 65536)])
def test_32_bit_pixels_without_a_range_are_refused(low_high):
    with pytest.raises(
        BakeoffError, match=f"32-bit integers from {low_high[0]} to {low_high[1]:,} have no defined range"
    ):
        decode_image(stored(Image.fromarray(np.array([low_high], np.int32)), "tiff"), 8)


def test_floating_point_pixels_alone_are_refused():
    with pytest.raises(BakeoffError, match=r"floating-point numbers up to .*: one image does not tell"):
        decode_image(stored(Image.fromarray(GREY.astype(np.float32)), "tiff"), 8)


UPRIGHT = np.zeros((8, 16, 3), np.uint8)
UPRIGHT[:4, :8] = (255, 0, 0)
UPRIGHT[4:, 8:] = (0, 0, 255)


@pytest.mark.parametrize(
    ("orientation", "as_stored"),
    [
        (1, UPRIGHT),
        (2, UPRIGHT[:, ::-1]),
        (3, UPRIGHT[::-1, ::-1]),
        (4, UPRIGHT[::-1]),
        (5, UPRIGHT.transpose(1, 0, 2)),
        (6, np.rot90(UPRIGHT, 1)),  # the viewer turns it by 90 degrees clockwise
        (7, np.rot90(UPRIGHT, 2).transpose(1, 0, 2)),
        (8, np.rot90(UPRIGHT, -1)),
    ],
)
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_exif_orientation_is_undone(orientation, as_stored, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "jpeg" else {}
    pixels = decoded(Image.fromarray(np.ascontiguousarray(as_stored)), kind, exif=exif, **options)
    assert pixels.shape == UPRIGHT.shape
    np.testing.assert_allclose(pixels.astype(int), UPRIGHT, atol=3)


def test_reduction_averages_instead_of_skipping_pixels():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::8] = 255  # none of them where a reduction to 8 x 8 without antialiasing looks
    small = decode_image(stored(Image.fromarray(stripes), "png"), 8)
    np.testing.assert_allclose(small.astype(int), 255 / 8, atol=12)


def test_an_oblong_image_is_squeezed_to_a_square():
    assert decode_image(stored(Image.fromarray(UPRIGHT), "png"), 9).shape == (9, 9, 3)


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "avif"])
def test_an_animation_gives_its_first_frame_and_is_counted(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    picture = read_picture(stored(frames[0], kind, save_all=True, append_images=frames[1:]))
    np.testing.assert_allclose(np.asarray(picture.to_rgb(Decoding()))[0, 0], [255, 0, 0], atol=3)
    assert picture.remarks == {"frames"}


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "avif", "tiff", "jpeg", "bmp", "tga"])
def test_a_single_picture_is_nothing_to_remark(kind):
    picture = read_picture(stored(Image.fromarray(COLOUR), kind))
    picture.to_rgb(Decoding())
    assert picture.remarks == set()


def test_a_jpeg_with_a_preview_has_one_picture():
    """Telephones write such files."""
    image = Image.fromarray(COLOUR)
    assert read_picture(stored(image, "mpo", save_all=True, append_images=[image])).remarks == set()


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_avif_of_every_depth(bits, alpha, shows):
    values = quantized(COLORS if alpha is None else with_alpha(COLORS), (1 << bits) - 1)
    content = imagecodecs.avif_encode(
        values.astype("u1" if bits == 8 else "u2"), level=100, bitspersample=bits, pixelformat="444"
    )
    shows(content, COLORS if alpha is None else on_white(COLORS), atol=4)


@pytest.mark.parametrize("kind", ["webp", "avif"])
def test_alpha_of_0_everywhere_is_ignored(kind, shows):
    hidden = Image.fromarray(quantized(with_alpha(COLORS, 0 * ALPHA), 255).astype(np.uint8))
    lossless = {"lossless": True, "exact": True}
    file = stored(hidden, kind, **(lossless if kind == "webp" else {"quality": 100, "subsampling": "4:4:4"}))
    assert read_picture(file).pixels.getchannel("A").getextrema() == (0, 0)
    shows(file.getvalue(), COLORS, atol=4)


@pytest.mark.parametrize("colorspace", ["cmyk", "ycck"])
def test_ink_in_a_jpeg_is_inverted_as_adobe_writes_it(colorspace, shows):
    inverted = 255 - quantized(with_alpha(1 - COLORS, 0.5 * GRAY), 255).astype(np.uint8)
    content = imagecodecs.jpeg8_encode(inverted, level=100, colorspace="cmyk", outcolorspace=colorspace)
    assert b"Adobe" in content
    assert read_picture(io.BytesIO(content)).pixels.mode == "CMYK"
    paper = imagecodecs.jpeg8_decode(content, outcolorspace="cmyk") / 255
    np.testing.assert_allclose(paper[..., 3], 1 - 0.5 * GRAY, atol=0.03)
    shows(content, paper[..., :3] * paper[..., 3:], atol=2)


def test_a_jpeg_of_rgb_is_not_taken_for_ycbcr(shows):
    values = quantized(COLORS, 255).astype(np.uint8)
    shows(imagecodecs.jpeg8_encode(values, level=100, outcolorspace="rgb", subsampling="444"), COLORS, atol=4)


@pytest.mark.parametrize("damage", [b"garbagegarbage", b"II*", b""])
def test_damaged_exif_leaves_a_jpeg_as_stored(damage, shows):
    image = Image.fromarray(quantized(COLORS, 255).astype(np.uint8))
    content = stored(image, "jpeg", quality=100, subsampling=0).getvalue()
    exif = b"\xff\xe1" + (8 + len(damage)).to_bytes(2) + b"Exif\0\0" + damage
    shows(content[:2] + exif + content[2:], COLORS, atol=4)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm"])
def test_a_truncated_file_is_an_error(kind, tmp_path):
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8))
    content = stored(noise, kind).getvalue()
    file = tmp_path / "cut"
    for share in (0.1, 0.5, 0.9):
        file.write_bytes(content[: int(share * len(content))])
        with pytest.raises(BakeoffError):
            decode_image(file, 8)


def test_what_is_wrong_with_a_file_is_said(tmp_path):
    empty, text = tmp_path / "empty.png", tmp_path / "text.png"
    empty.write_bytes(b"")
    text.write_text("this is no image")
    with pytest.raises(BakeoffError, match="the file is empty"):
        decode_image(empty, 8)
    with pytest.raises(BakeoffError, match="not an image of a known format"):
        decode_image(text, 8)
    with pytest.raises(BakeoffError, match="no such file"):
        decode_image(tmp_path / "none.png", 8)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("limit", "words"), [(50, "10 x 6 pixels exceed the limit"), (20, "decompression bomb")]
)
def test_a_decompression_bomb_is_an_error(monkeypatch, limit, words):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(BakeoffError, match=words):
        decode_image(stored(Image.new("RGB", (10, 6)), "png"), 8)
