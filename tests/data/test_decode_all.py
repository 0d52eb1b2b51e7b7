"""Images that only together tell what each of them shows."""

import io
import os

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.data.decoding.by_hand import COLORS, GRAY, chunk, png, quantized, with_alpha

from bakeoff.data import Decoding
from bakeoff.data.decode_all import decode_all
from bakeoff.data.decoding.image_file import resize
from bakeoff.data.progress import Progress
from bakeoff.data.sources.listing import ListedImage

SIDE = 8
SHOWN = resize(Image.fromarray(quantized(COLORS, 255).astype(np.uint8)), SIDE)
SHOWN_GRAY = resize(Image.fromarray(quantized(GRAY, 255).astype(np.uint8)).convert("RGB"), SIDE)


@pytest.fixture
def decode(tmp_path):
    """Decodes files of these contents: the pixels, what was learned, and the steps of the progress."""

    def run(contents, decoding=None, unreadable=None):
        listed = []
        for index, content in enumerate(contents):
            path = tmp_path / f"{index}.image"
            if content is not None:
                path.write_bytes(content)
            listed.append(ListedImage(path.name, 0, str(path)))
        rows = np.zeros((len(listed), SIDE, SIDE, 3), np.uint8)
        steps = []
        progress = Progress("decoding", len(listed), lambda _, done, total: steps.append((done, total)))
        return rows, decode_all(listed, rows, decoding or Decoding(), unreadable, progress=progress), steps

    return run


def tiff(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, metadata=None, photometric="minisblack", **options)
    return file.getvalue()


def ten_bits(share=1.0):
    return png(quantized(COLORS * share, 1023), 16, 2)


def test_a_dark_image_has_the_white_of_the_others(decode):
    rows, decoded, _ = decode([ten_bits(), ten_bits(0.1), ten_bits(0.5)])
    assert decoded.decoding.white == (("uint16", 1023),)
    np.testing.assert_allclose(rows[0].astype(int), SHOWN, atol=2)
    np.testing.assert_allclose(rows[1].astype(float), SHOWN * 0.1, atol=2)
    np.testing.assert_allclose(rows[2].astype(float), SHOWN * 0.5, atol=2)
    assert decoded.notes == (
        "3 images stored as 16-bit integers: 1,023 was taken as white, the largest value being 1,023.",
    )


def test_one_image_that_needs_16_bits_decides_for_all(decode):
    rows, decoded, _ = decode([ten_bits(), png(quantized(COLORS, 65535), 16, 2)])
    assert decoded.decoding.white == (("uint16", 65535),)
    assert rows[0].max() == 3
    np.testing.assert_allclose(rows[1].astype(int), SHOWN, atol=2)


def test_each_way_of_storing_has_its_own_white(decode):
    contents = [
        ten_bits(),
        tiff(quantized(GRAY, 255).astype(np.int32)),
        tiff((GRAY * 0.9).astype(np.float32)),
        tiff(quantized(GRAY, 4095).astype(np.int16)),
        png(quantized(COLORS, 200), 16, 2, chunk(b"sBIT", b"\x0c\x0c\x0c")),
        png(quantized(COLORS, 255), 8, 2),
    ]
    rows, decoded, _ = decode(contents)
    assert dict(decoded.decoding.white) == {
        "uint16": 1023,
        "int32": 255,
        "float32": 1,
        "int16": 4095,
        "uint16/12": 4095,
    }
    expected = [SHOWN, SHOWN_GRAY, SHOWN_GRAY * 0.9, SHOWN_GRAY, SHOWN * (200 / 4095), SHOWN]
    for row, pixels in zip(rows, expected, strict=True):
        np.testing.assert_allclose(row.astype(float), pixels, atol=2)
    assert len(decoded.notes) == 5


def test_the_setting_goes_before_what_the_images_tell(decode):
    rows, decoded, _ = decode([ten_bits(), ten_bits(0.1)], Decoding(bits=12))
    np.testing.assert_allclose(rows[0].astype(float), SHOWN * (1023 / 4095), atol=2)
    assert decoded.decoding == Decoding(bits=12, white=(("uint16", 4095),))
    assert "4,095 was taken as white" in decoded.notes[0]
    _, decoded, _ = decode([ten_bits()], Decoding(bits=8))
    assert "up to 1,023, while 255 is white" in decoded.unreadable[0]


def test_floating_point_values_of_no_known_range_are_all_refused(decode):
    contents = [tiff((GRAY * 60).astype(np.float32)), tiff(GRAY.astype(np.float32)), ten_bits()]
    _, decoded, _ = decode(contents)
    assert sorted(decoded.unreadable) == [0, 1]
    assert "up to 60" in decoded.unreadable[1]
    assert len(decoded.notes) == 1


def test_what_was_done_is_counted(decode):
    file = io.BytesIO()
    Image.new("CMYK", (9, 9), (9, 99, 9, 0)).save(file, "JPEG")
    hidden = png(quantized(with_alpha(COLORS, 0 * GRAY), 255), 8, 6)
    _, decoded, _ = decode([hidden, file.getvalue(), hidden, png(quantized(COLORS, 255), 8, 2)])
    assert decoded.notes == (
        "2 images with an alpha channel that is 0 everywhere: the channel was ignored.",
        "1 image in CMYK: converted to RGB without a color profile, so their colors are approximate.",
    )


@pytest.mark.parametrize(
    ("fit", "shapes", "note"),
    [
        ("stretch", [(9, 9), (20, 10), (10, 20)], "(median 2 times as long as wide) and were stretched"),
        ("stretch", [(9, 9), (9, 9), (20, 10)], None),
        (
            "crop",
            [(9, 9), (20, 10), (10, 20)],
            "2 images of another shape were cropped to the square in their",
        ),
        ("pad", [(9, 9), (9, 9), (20, 10)], "1 image of another shape was padded with black to a square"),
        ("pad", [(9, 9)], None),
    ],
)
def test_what_happens_to_other_shapes_is_said(decode, fit, shapes, note):
    contents = [png(np.full((height, width, 3), 90), 8, 2) for width, height in shapes]
    rows, decoded, _ = decode(contents, Decoding(fit))
    assert len(decoded.notes) == (note is not None)
    assert note is None or note in decoded.notes[0]
    assert (rows[-1].min() == 0) == (fit == "pad" and shapes[-1] != (9, 9))


def test_nothing_is_said_of_plain_images(decode):
    _, decoded, _ = decode([png(quantized(COLORS, 255), 8, 2)] * 3)
    assert (decoded.notes, decoded.decoding) == ((), Decoding())


def test_each_image_is_counted_once_in_the_progress(decode):
    _, _, steps = decode([ten_bits(0.1)] * 40 + [png(quantized(COLORS, 255), 8, 2)] * 40)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (80, 80)


def test_each_image_that_cannot_be_decoded_has_its_reason(decode):
    rows, decoded, _ = decode([b"", ten_bits(), b"text"])
    assert decoded.unreadable == {0: "the file is empty", 2: "not an image of a known format"}
    np.testing.assert_allclose(rows[1].astype(int), SHOWN, atol=2)


def test_what_is_known_to_be_unreadable_is_not_opened(decode, tmp_path):
    os.mkfifo(tmp_path / "1.image")  # opening it would wait for a writer
    _, decoded, _ = decode([ten_bits(), None], unreadable={1: "not a regular file"})
    assert decoded.unreadable == {1: "not a regular file"}
