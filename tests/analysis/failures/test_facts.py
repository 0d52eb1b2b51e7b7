import colorsys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from bakeoff.analysis.failures.facts import COLORS, FACTS, dominant_colors, fact_named, image_facts


@pytest.fixture(scope="module")
def real_images(photographs):
    paths = sorted((photographs / "test").glob("*.png"))[::6]
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.asarray(image.convert("RGB")))
    assert len(images) == 100
    return np.stack(images)


@pytest.fixture(scope="module")
def real_facts(real_images):
    return image_facts(real_images)


def hsv(image):
    return np.array([colorsys.rgb_to_hsv(*pixel) for pixel in image.reshape(-1, 3) / 255])


def test_every_fact_is_finite_and_tells_images_apart(real_facts):
    assert list(real_facts) == [fact.name for fact in FACTS]
    for name, values in real_facts.items():
        assert np.isfinite(values).all(), name
        assert len(np.unique(values)) > 30, name


def test_brightness_and_contrast_are_pillows(real_images, real_facts):
    gray = [np.asarray(Image.fromarray(image).convert("L"), dtype=float) / 255 for image in real_images]
    np.testing.assert_allclose(real_facts["brightness"], [g.mean() for g in gray], atol=0.004)
    np.testing.assert_allclose(real_facts["contrast"], [g.std() for g in gray], atol=0.004)


def test_sharpness_is_the_variance_of_scipys_laplacian(real_images, real_facts):
    for image, found in zip(real_images[:20], real_facts["sharpness"], strict=False):
        laplacian = ndimage.laplace(image @ [0.299, 0.587, 0.114] / 255)[1:-1, 1:-1]
        assert found == pytest.approx(laplacian.var(), rel=1e-3)


def test_edge_density_is_that_of_numpys_gradient(real_images, real_facts):
    for image, found in zip(real_images[:20], real_facts["edge density"], strict=False):
        down, across = np.gradient(image @ [0.299, 0.587, 0.114] / 255)
        assert found == pytest.approx(np.mean(np.hypot(down, across)[1:-1, 1:-1] > 0.1), abs=2e-4)


def test_colors_are_those_of_colorsys(real_images, real_facts):
    border = np.ones((96, 96), dtype=bool)
    border[12:84, 12:84] = False
    for index in (0, 17, 34, 51, 68, 85):
        pixels = hsv(real_images[index])
        assert real_facts["saturation"][index] == pytest.approx(pixels[:, 1].mean(), rel=1e-4)
        hue, saturation, value = (pixels[border.ravel()] * [360, 1, 1]).round(9).T
        counts = (saturation >= 0.15) & (value >= 0.2)
        for name, low, high in (("border blueness", 165, 260), ("border greenness", 70, 165)):
            share = np.mean(counts & (hue >= low) & (hue < high))
            assert real_facts[name][index] == pytest.approx(share, abs=2e-7)


def test_warmth_and_center_difference_by_hand():
    image = np.zeros((1, 16, 16, 3), dtype=np.uint8)
    image[..., 0], image[..., 2] = 255, 51
    facts = image_facts(image)
    assert facts["warmth"][0] == pytest.approx(0.8)
    assert facts["centre difference"][0] == pytest.approx(0, abs=1e-6)
    image[:, 4:12, 4:12] = 0
    assert image_facts(image)["centre difference"][0] == pytest.approx((1 + 0.2) / 3)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((10, 10, 10), "black"),
        ((128, 128, 128), "gray"),
        ((250, 250, 250), "white"),
        ((120, 70, 30), "brown"),
        ((220, 20, 20), "red"),
        ((220, 20, 30), "red"),
        ((255, 140, 0), "orange"),
        ((240, 230, 30), "yellow"),
        ((30, 160, 40), "green"),
        ((20, 220, 220), "cyan"),
        ((90, 150, 230), "blue"),
        ((130, 40, 200), "purple"),
        ((250, 60, 190), "pink"),
    ],
)
def test_a_plain_color_has_its_name(rgb, name):
    image = np.full((1, 8, 8, 3), rgb, dtype=np.uint8)
    assert COLORS[dominant_colors(image)[0]] == name


def test_the_dominant_color_is_that_of_most_pixels():
    image = np.full((1, 10, 10, 3), (20, 20, 220), dtype=np.uint8)
    image[:, :4] = (220, 20, 20)
    assert COLORS[dominant_colors(image)[0]] == "blue"
    image[:, :6] = (220, 20, 20)
    assert COLORS[dominant_colors(image)[0]] == "red"


def test_each_image_is_measured_by_itself(real_images, real_facts):
    order = np.random.default_rng(0).permutation(100)
    for name, values in image_facts(real_images[order]).items():
        np.testing.assert_allclose(values, real_facts[name][order], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(dominant_colors(real_images[order]), dominant_colors(real_images)[order])


def test_darkening_and_blurring_move_the_facts_that_they_should(real_images, real_facts):
    darker = image_facts((real_images * 0.5).astype(np.uint8))
    assert (darker["brightness"] < real_facts["brightness"]).all()
    assert (darker["contrast"] < real_facts["contrast"]).all()
    blurred = image_facts(ndimage.gaussian_filter(real_images, (0, 1.5, 1.5, 0)))
    assert (blurred["sharpness"] < real_facts["sharpness"]).all()


def test_words_differ_at_the_two_ends():
    assert fact_named("brightness").lower == "darker"
    for fact in FACTS:
        assert fact.lower != fact.higher
        assert fact.lowest != fact.highest
