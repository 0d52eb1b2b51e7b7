import numpy as np
import pytest
from PIL import Image

from bakeoff.data.decoding.fit import resize

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def thirds(upright):
    """A red, a green and a blue square side by side, or one above the other."""
    squares = np.repeat(np.repeat(np.array([[RED, GREEN, BLUE]], np.uint8), 16, axis=0), 16, axis=1)
    return Image.fromarray(squares.transpose(1, 0, 2).copy() if upright else squares)


@pytest.mark.parametrize("upright", [False, True])
def test_crop_keeps_the_middle(upright):
    pixels = resize(thirds(upright), 8, "crop")
    assert (pixels[1:-1, 1:-1] == GREEN).all()  # the filter reads a little beyond the border


@pytest.mark.parametrize("upright", [False, True])
def test_pad_keeps_all_in_its_shape_between_black(upright):
    pixels = resize(thirds(upright), 24, "pad")
    pixels = pixels.transpose(1, 0, 2) if upright else pixels
    assert (pixels[:8] == 0).all()
    assert (pixels[16:] == 0).all()
    for start, color in ((1, RED), (9, GREEN), (17, BLUE)):
        assert (pixels[9:15, start : start + 6] == color).all()


def test_stretch_uses_all_and_the_whole_square():
    pixels = resize(thirds(False), 24)
    for start, color in ((1, RED), (9, GREEN), (17, BLUE)):
        assert (pixels[:, start : start + 6] == color).all()


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_square_is_the_same_in_every_way(fit):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    np.testing.assert_array_equal(resize(image, 16, fit), resize(image, 16))


@pytest.mark.parametrize("size", [(1000, 1), (1, 1000), (65, 1), (3, 500)])
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_even_a_line_becomes_a_square(size, fit):
    pixels = resize(Image.new("RGB", size, "white"), 32, fit)
    assert pixels.shape == (32, 32, 3)
    assert pixels.max() == 255
