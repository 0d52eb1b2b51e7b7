import numpy as np
import pytest
from PIL import Image

from bakeoff.data import Decoding
from bakeoff.data.decoding.picture import Picture, refuse_bomb
from bakeoff.errors import BakeoffError

COLORS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def rgba(alpha, colors=COLORS):
    image = Image.fromarray(colors)
    image.putalpha(alpha)
    return image


def test_alpha_of_0_everywhere_is_remarked():
    picture = Picture(rgba(0))
    np.testing.assert_array_equal(np.asarray(picture.to_rgb(Decoding())), COLORS)
    assert picture.remarks == {"zero-alpha"}


@pytest.mark.parametrize("color", [0, 90])
def test_where_nothing_is_hidden_a_transparent_image_is_white(color):
    """A blank tile of a set of sprites, say."""
    picture = Picture(rgba(0, np.full_like(COLORS, color)))
    assert np.asarray(picture.to_rgb(Decoding())).min() == 255
    assert picture.remarks == set()


def test_one_opaque_pixel_makes_alpha_count():
    image = rgba(0)
    image.putpixel((2, 1), (10, 20, 30, 255))
    expected = np.full_like(COLORS, 255)
    expected[1, 2] = 10, 20, 30
    picture = Picture(image)
    np.testing.assert_array_equal(np.asarray(picture.to_rgb(Decoding())), expected)
    assert picture.remarks == set()


def test_ink_is_remarked():
    picture = Picture(Image.new("CMYK", (2, 2), (0, 255, 255, 0)))
    assert picture.to_rgb(Decoding()).getpixel((0, 0)) == (255, 0, 0)
    assert picture.remarks == {"cmyk"}


def test_it_is_set_upright():
    picture = Picture(Image.fromarray(COLORS), Image.Transpose.ROTATE_90)
    np.testing.assert_array_equal(np.asarray(picture.to_rgb(Decoding())), np.rot90(COLORS))


@pytest.mark.parametrize("mode", ["LAB", "HSV", "I", "F"])
def test_modes_without_a_meaning_in_rgb_are_refused(mode):
    with pytest.raises(BakeoffError, match=f"mode {mode}; save it as RGB"):
        Picture(Image.new(mode, (2, 2))).to_rgb(Decoding())


def test_the_limit_is_that_of_pillow():
    side = int(Image.MAX_IMAGE_PIXELS**0.5)
    refuse_bomb(side, side)
    with pytest.raises(BakeoffError, match="exceed the limit"):
        refuse_bomb(side + 1, side + 1)
