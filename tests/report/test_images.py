"""Images inside the page: decoded again, they are what was packed."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from bakeoff.report.images import STRONGEST_ALPHA, image_sheet, map_sheet, png_data_uri, smaller


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_png_keeps_each_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    address = png_data_uri(image)
    assert address.startswith("data:image/png;base64,")
    assert np.array_equal(np.asarray(decoded(address)), image)


@pytest.mark.parametrize(
    ("number", "columns", "rows"), [(1, 1, 1), (5, 3, 2), (6, 3, 2), (9, 3, 3), (10, 4, 3)]
)
def test_a_sheet_has_its_images_row_by_row_and_is_nearly_square(number, columns, rows) -> None:
    colors = np.random.default_rng(1).integers(0, 256, (number, 1, 1, 3), np.uint8)
    sheet = image_sheet(np.broadcast_to(colors, (number, 8, 8, 3)), quality=95, most_bytes=10**6)
    assert (sheet.columns, sheet.rows) == (columns, rows)
    pixels = np.asarray(decoded(sheet.address)).astype(int)
    assert pixels.shape == (8 * rows, 8 * columns, 3)
    for place in range(number):
        top, left = 8 * (place // columns), 8 * (place % columns)
        # Colors of neighboring tiles mix at their edges.
        assert abs(pixels[top + 2 : top + 6, left + 2 : left + 6] - colors[place]).max() <= 8


def test_a_sheet_that_would_be_too_large_has_a_lower_quality() -> None:
    images = np.random.default_rng(3).integers(0, 256, (16, 16, 16, 3), np.uint8)
    good, small = image_sheet(images, 90, 10**6).address, image_sheet(images, 90, 3000).address
    assert len(small) < 3000 < len(good)
    assert decoded(small).size == decoded(good).size == (64, 64)


def test_of_many_maps_four_cells_become_one() -> None:
    maps = np.zeros((10_001, 16, 16), np.float32)
    maps[0, :2, :2] = 1.0
    picture = np.asarray(decoded(map_sheet(maps).address).convert("RGBA"))
    assert picture.shape == (8 * 100, 8 * 101, 4)
    assert picture[0, 0, 3] == STRONGEST_ALPHA
    assert not picture[0, 1:8, 3].any()


def test_maps_are_orange_above_0_blue_below_and_clear_at_0() -> None:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 0, 0], maps[0, 1, 1], maps[0, 2, 2] = 5.0, -5.0, 2.5
    sheet = map_sheet(maps)
    pixels = np.asarray(decoded(sheet.address).convert("RGBA")).astype(int)
    assert pixels.shape == (4, 8, 4)
    orange, blue = pixels[0, 0], pixels[1, 1]
    assert orange[0] > orange[2]
    assert blue[2] > blue[0]
    assert orange[3] == blue[3] == STRONGEST_ALPHA
    assert pixels[2, 2, 3] == pytest.approx(STRONGEST_ALPHA / 2, abs=STRONGEST_ALPHA / 15)
    assert not pixels[:, 4:, 3].any()  # a map of zeros has no scale


def test_smaller_images_are_averages_and_small_ones_stay() -> None:
    images = np.random.default_rng(2).integers(0, 256, (3, 8, 8, 3), np.uint8)
    assert smaller(images, 8) is images
    expected = images.reshape(3, 4, 2, 4, 2, 3).mean((2, 4))
    assert np.abs(smaller(images, 4) - expected).max() <= 1
